"""The fixed point of a map as a function that JAX differentiates."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._argmin import no_steps
from autoreg_jax.hypergrad._base import (
    Batch,
    BilevelProblem,
    HypergradientEstimator,
    Inner,
    Outer,
    Point,
)
from autoreg_jax.hypergrad._checks import check_at_least
from autoreg_jax.hypergrad._given import check_kind
from autoreg_jax.hypergrad._trees import inner_product, like_floats, split_floats

Map = Callable[[Inner, Outer, Batch], Inner]
"""Φ, `(inner, outer, batch) -> inner`."""

FixedPointSolver = Callable[[Map, Outer, Batch], Inner]
"""`(step, outer, batch) -> inner`, a fixed point by any means."""


def fixed_point(
    step: Map, solver: FixedPointSolver, estimator: HypergradientEstimator
) -> Callable[[Outer, Batch], Inner]:
    """ω*(a, b) with ω* = Φ(ω*, a, b), with reverse derivatives in a and b.

    The pullback of v is (∂Φ/∂(a, b))ᵀ z with (I − ∂Φ/∂ω)ᵀ z = v at ω*, whatever the
    solver has done, which is never differentiated. A descent step on a loss as Φ has
    the derivatives of `argmin`; Φ need not be the step of any loss.

    The estimator solves for z. Of any Φ: `generalised_minimal_residual`,
    `full_hessian`, or `neumann(K, 1.0)`, which sums K + 1 terms of the series of
    (∂Φ/∂ω)ᵀ. Where ∂Φ/∂ω is symmetric, `minimal_residual`, too. Derivatives of
    derivatives are right if the estimator solves exactly.

    Args:
        step: Φ, `(inner, outer, batch) -> inner`. What is differentiated has to be in
            `outer` or `batch`: of other values that it closes over there is no
            derivative. JAX refuses them where the solver uses them under a trace, and
            takes them for constants where it does not.
        solver: `(step, outer, batch) -> inner`, such as `repeated`. At a point that is
            not fixed the derivative is that of no function.
        estimator: An estimator by the implicit function theorem, `implicit` among
            them; it starts from its initial state in each pullback.

    Returns:
        `(outer, batch) -> inner`, to be used inside of `jax.grad`, `jax.jit` and
        `jax.vmap`; leaves that are not floating-point have no derivative.

    Raises:
        ValueError: If `estimator` is none, or, in the pullback, takes inner steps.

    Examples:
        >>> from autoreg_jax.hypergrad import generalised_minimal_residual
        >>> root = fixed_point(  # Heron's: √a
        ...     lambda w, a, b: 0.5 * (w + a / w),
        ...     repeated(20, 1.0),
        ...     generalised_minimal_residual(1),
        ... )
        >>> [round(float(x), 4) for x in jax.value_and_grad(root)(4.0, None)]
        [2.0, 0.25]

    References:
        Bai, Kolter and Koltun, "Deep Equilibrium Models", NeurIPS 2019; Blondel et al.,
        "Efficient and Modular Implicit Differentiation", NeurIPS 2022.
    """
    check_kind("estimator", estimator, HypergradientEstimator)

    @jax.custom_vjp
    def fixed(outer: Outer, batch: Batch) -> Inner:
        return solver(step, outer, batch)

    def forward(outer: Outer, batch: Batch) -> tuple[Inner, Any]:
        # The function itself, not the solver: this has a second derivative.
        inner = fixed(outer, batch)
        return inner, (inner, outer, batch)

    def backward(kept: Any, cotangent: Inner) -> tuple[Outer, Batch]:
        inner, *given = kept
        floats, merge = split_floats(given)
        pairing = _pairing(lambda omega, values: step(omega, *merge(values)))

        def inner_loss(u: Inner, values: list[Any], _: None) -> Array:
            return pairing(u, inner, values)

        def outer_loss(u: Inner, values: list[Any], _: None) -> Array:
            return inner_product(cotangent, u)

        problem = BilevelProblem(inner_loss, outer_loss)
        state = estimator.init(inner, floats)
        point = Point(optax.tree.zeros_like(inner), floats)
        hyper, _ = estimator.estimate(problem, state, point, inner_update=no_steps)
        slopes, of_batch = like_floats(given, hyper.indirect)
        return slopes, of_batch

    fixed.defvjp(forward, backward)
    return fixed


def _pairing(moved: Callable[[Inner, list[Any]], Inner]) -> Callable[..., Array]:
    """½⟨u, u⟩ − ⟨u, Φ(ω)⟩ whose gradient in u is said to be u − (∂Φ/∂ω)ᵀ u.

    So the Hessian in u that an estimator sees is (I − ∂Φ/∂ω)ᵀ, symmetric or not, and
    the mixed derivative is −(∂Φ/∂a)ᵀ u, as it should be.
    """

    def plain(u: Inner, omega: Inner, values: list[Any]) -> Array:
        return 0.5 * inner_product(u, u) - inner_product(u, moved(omega, values))

    pairing = jax.custom_jvp(plain)

    @pairing.defjvp
    def _(primals: Any, tangents: Any) -> tuple[Array, Array]:
        u, omega, values = primals
        along, *others = tangents
        _, pullback = jax.vjp(lambda o: moved(o, values), omega)
        slope = optax.tree.sub(u, *pullback(u))
        value, rest = jax.jvp(lambda *at: plain(u, *at), (omega, values), tuple(others))
        return value, inner_product(slope, along) + rest

    return pairing


def repeated(steps: int, inner: Inner) -> FixedPointSolver:
    """A number of applications of Φ to one ω as the solver of `fixed_point`.

    Args:
        steps: K > 0.
        inner: ω before the first application.

    Returns:
        `(step, outer, batch) -> inner`.

    Raises:
        ValueError: If `steps` is not positive.
    """
    check_at_least(1, steps=steps)

    def solver(step: Map, outer: Outer, batch: Batch) -> Inner:
        def body(omega: Inner, _: None) -> tuple[Inner, None]:
            return step(omega, outer, batch), None

        start = jax.tree.map(jnp.asarray, inner)
        return jax.lax.scan(body, start, None, length=steps)[0]

    return solver
