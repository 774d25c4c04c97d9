"""The minimiser of a loss as a function that JAX differentiates."""

from collections.abc import Callable
from typing import Any

import jax
from jax import Array

from autoreg_jax.hypergrad._base import (
    AnyUpdate,
    Batch,
    BilevelProblem,
    HypergradientEstimator,
    Inner,
    Loss,
    Outer,
    Point,
)
from autoreg_jax.hypergrad._checks import check_at_least
from autoreg_jax.hypergrad._given import check_kind, checked_loss
from autoreg_jax.hypergrad._trajectory import as_inner_update, descend
from autoreg_jax.hypergrad._trees import inner_product, like_floats, split_floats

InnerSolver = Callable[[Loss, Outer, Batch], Inner]
"""`(loss, outer, batch) -> inner`, a minimiser by any means."""


def argmin(
    loss: Loss, solver: InnerSolver, estimator: HypergradientEstimator
) -> Callable[[Outer, Batch], Inner]:
    """ω*(a, b) = argmin_ω L(ω, a, b) with reverse derivatives in a and b.

    The pullback of v is −(∂²_{(a, b) ω} L) z with H z = v at ω*, whatever the solver
    has done, which is never differentiated. The estimator solves for z: with
    `conjugate_gradient`, `neumann`, `nystrom`, `minimal_residual` or `full_hessian`.
    Derivatives of derivatives are right, too, if the estimator solves exactly.

    Args:
        loss: L, `(inner, outer, batch) -> scalar`. What is differentiated has to be in
            `outer` or `batch`: of other values that the loss closes over there is no
            derivative. JAX refuses them where the solver uses them under a trace, and
            takes them for constants where it does not.
        solver: `(loss, outer, batch) -> inner`, such as `descent_solver`. At a point
            that is not stationary the derivative is that of no function.
        estimator: An estimator by the implicit function theorem, `implicit` among
            them; it starts from its initial state in each pullback.

    Returns:
        `(outer, batch) -> inner`, to be used inside of `jax.grad`, `jax.jit` and
        `jax.vmap`; leaves that are not floating-point have no derivative.

    Raises:
        ValueError: If `estimator` is none, or, in the pullback, takes inner steps.

    Examples:
        >>> from autoreg_jax.hypergrad import conjugate_gradient
        >>> minimum = argmin(  # ω* = a b
        ...     lambda w, a, b: 0.5 * (w - a * b) ** 2,
        ...     lambda loss, a, b: a * b,
        ...     conjugate_gradient(1),
        ... )
        >>> tuple(float(x) for x in jax.grad(minimum, argnums=(0, 1))(2.0, 3.0))
        (3.0, 2.0)
    """
    loss = checked_loss("the loss of argmin", loss)
    check_kind("estimator", estimator, HypergradientEstimator)

    @jax.custom_vjp
    def minimum(outer: Outer, batch: Batch) -> Inner:
        return solver(loss, outer, batch)

    def forward(outer: Outer, batch: Batch) -> tuple[Inner, Any]:
        # The function itself, not the solver: this has a second derivative.
        inner = minimum(outer, batch)
        return inner, (inner, outer, batch)

    def backward(kept: Any, cotangent: Inner) -> tuple[Outer, Batch]:
        inner, *given = kept
        floats, merge = split_floats(given)

        def inner_loss(omega: Inner, values: list[Any], _: None) -> Array:
            return loss(omega, *merge(values))

        def outer_loss(omega: Inner, values: list[Any], _: None) -> Array:
            return inner_product(cotangent, omega)

        problem = BilevelProblem(inner_loss, outer_loss)
        state, point = estimator.init(inner, floats), Point(inner, floats)
        hyper, _ = estimator.estimate(problem, state, point, inner_update=no_steps)
        slopes, of_batch = like_floats(given, hyper.indirect)
        return slopes, of_batch

    minimum.defvjp(forward, backward)
    return minimum


def descent_solver(inner_update: AnyUpdate, steps: int, inner: Inner) -> InnerSolver:
    """A number of inner steps from one ω as the solver of `argmin`.

    Args:
        inner_update: `gradient_descent` or `from_optax`.
        steps: K > 0.
        inner: ω before the first step.

    Returns:
        `(loss, outer, batch) -> inner`.

    Raises:
        ValueError: If `steps` is not positive.
    """
    check_at_least(1, steps=steps)
    update = as_inner_update(inner_update)

    def solver(loss: Loss, outer: Outer, batch: Batch) -> Inner:
        start = update.begin(inner, outer)
        return descend(loss, update, start, outer, batch, steps)[0]

    return solver


def no_steps(inner: Inner, gradient: Inner) -> Inner:
    """The inner update of a pullback, which refuses to be one."""
    raise ValueError(
        "argmin and fixed_point take no inner steps in the pullback: give them an "
        "estimator by the implicit function theorem, such as conjugate_gradient(10), "
        "not one that differentiates steps."
    )
