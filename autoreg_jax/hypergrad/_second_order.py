"""Three ways to compute the second-order products H·u and M·u."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import Batch, BilevelProblem, Inner, Loss, Outer, Point
from autoreg_jax.hypergrad._checks import Number, check_positive
from autoreg_jax.hypergrad._trees import add_scale


class SecondOrderProducts(NamedTuple):
    """Products of the second derivatives of L_t with a direction u in ω.

    Attributes:
        hessian: H u = ∂²_{ωω} L_t · u, a tree like ω.
        mixed: M u = ∂²_{aω} L_t · u, a tree like a.
        epsilon: Factor of u in the probe of a finite difference; 0 if exact.
    """

    hessian: Inner
    mixed: Outer
    epsilon: Array


class MixedBackend(Protocol):
    """Computes H u and M u for one direction u."""

    def __call__(
        self,
        loss: Loss,
        inner: Inner,
        outer: Outer,
        batch: Batch,
        direction: Inner,
        cotangent: Inner,
    ) -> SecondOrderProducts:
        """Return H u and M u; `cotangent` is the vector v that u derives from."""
        ...


def exact_products() -> AbstractContextManager[Any]:
    """Full precision for the products of what is called inside.

    A difference of two gradients, or a solver that divides by a small curvature, turns
    the rounding of a fast product (10 bits on a GPU, 8 on a TPU) into a large error.
    """
    # A CPU has one precision; setting it would compile everything twice.
    if jax.default_backend() == "cpu":
        return nullcontext()
    return jax.default_matmul_precision("highest")


def forward_over_reverse(
    loss: Loss,
    inner: Inner,
    outer: Outer,
    batch: Batch,
    direction: Inner,
    cotangent: Inner,
) -> SecondOrderProducts:
    """Both products as one forward derivative of the gradient in (ω, a); exact."""
    del cotangent

    # Both gradients even if one is enough: a custom rule that depends on ω only must be
    # differentiated in reverse first; XLA removes what is unused.
    def gradients(omega: Inner) -> tuple[Inner, Outer]:
        return jax.grad(loss, argnums=(0, 1))(omega, outer, batch)

    _, (hessian, mixed) = jax.jvp(gradients, (inner,), (direction,))
    return SecondOrderProducts(hessian, mixed, jnp.zeros(()))


def reverse_over_forward(
    loss: Loss,
    inner: Inner,
    outer: Outer,
    batch: Batch,
    direction: Inner,
    cotangent: Inner,
) -> SecondOrderProducts:
    """Both products as the gradient of ⟨∇_ω L_t, u⟩; exact, slightly less memory.

    Not for losses with a `custom_vjp` rule, which has no forward derivative.
    """
    del cotangent

    def slope(omega: Inner, a: Outer) -> Array:
        return jax.jvp(lambda o: loss(o, a, batch), (omega,), (direction,))[1]

    hessian, mixed = jax.grad(slope, argnums=(0, 1))(inner, outer)
    return SecondOrderProducts(hessian, mixed, jnp.zeros(()))


def central_difference(
    radius: Number = 1e-2, *, normalise: bool = True
) -> MixedBackend:
    """Both products as [∇L_t(ω + ε u, a) − ∇L_t(ω − ε u, a)] / 2ε.

    Args:
        radius: r > 0, the length of the probe ε u if `normalise`, otherwise the factor
            in its length r ‖v‖ with the cotangent v.
        normalise: Whether `radius` is the length of the probe.

    Returns:
        The backend. It runs matrix products in the highest precision of the device and
        raises `ValueError` for ω in half precision, whose rounding error is as large
        as the probe.

    Raises:
        ValueError: If `radius` is not positive.
    """
    check_positive(radius=radius)

    def products(
        loss: Loss,
        inner: Inner,
        outer: Outer,
        batch: Batch,
        direction: Inner,
        cotangent: Inner,
    ) -> SecondOrderProducts:
        _refuse_half_precision(inner)
        norm = optax.tree.norm(direction)
        length = radius if normalise else radius * optax.tree.norm(cotangent)
        is_safe = norm > jnp.sqrt(jnp.finfo(norm.dtype).tiny)
        epsilon = jnp.where(is_safe, length / jnp.where(is_safe, norm, 1.0), 1.0)

        def gradients(step: Array) -> tuple[Inner, Outer]:
            probed = add_scale(inner, step, direction)
            return jax.grad(loss, argnums=(0, 1))(probed, outer, batch)

        with exact_products():
            upper, lower = gradients(epsilon), gradients(-epsilon)
        hessian, mixed = jax.tree.map(
            lambda p, m: ((p - m) * (0.5 / epsilon)).astype(p.dtype), upper, lower
        )
        return SecondOrderProducts(hessian, mixed, epsilon)

    return products


def mixed_product(
    loss: Loss, inner: Inner, outer: Outer, batch: Batch, direction: Inner
) -> Outer:
    """∂²_{aω} L(ω, a) · u, exactly: one forward derivative of the gradient of L.

    Costs about two gradients. Reverse over reverse through convolutions is about twenty
    times more expensive on a CPU.

    Args:
        loss: L, `(inner, outer, batch) -> scalar`.
        inner: ω.
        outer: a.
        batch: Data of the loss.
        direction: u, a tree like ω.

    Returns:
        A tree like a.

    Examples:
        >>> def loss(inner, outer, batch):
        ...     return batch * inner**2 * outer
        >>> float(mixed_product(loss, 3.0, 5.0, 1.0, 0.5))
        3.0
    """
    return forward_over_reverse(loss, inner, outer, batch, direction, direction).mixed


def mixed_term(
    problem: BilevelProblem,
    backend: MixedBackend,
    point: Point,
    direction: Inner,
    cotangent: Inner,
) -> tuple[Outer, Array]:
    """∂²_{aω} L_t · u by a backend, or by the product that the problem brings.

    Args:
        problem: Its `mixed_product`, if there is one, replaces the exact backend.
        backend: `forward_over_reverse` or another.
        point: ω, a and the batch of the inner loss.
        direction: u, a tree like ω.
        cotangent: v that u derives from, for the length of a finite difference.

    Returns:
        M u, a tree like a, and the ε of a finite difference, 0 if exact.
    """
    at = point.inner, point.outer, point.train_batch
    if backend is forward_over_reverse and problem.mixed_product is not None:
        return problem.mixed_product(*at, direction), jnp.zeros(())
    products = backend(problem.inner_loss, *at, direction, cotangent)
    return products.mixed, products.epsilon


def _refuse_half_precision(inner: Inner) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(inner):
        dtype = jnp.result_type(leaf)
        if jnp.finfo(dtype).bits < 32:
            where = jax.tree_util.keystr(path) or "ω"
            raise ValueError(
                f"A finite difference needs float32 or float64 weights, got {dtype} at "
                f"{where}: its rounding error is as large as the probe. Cast ω to "
                "float32 or use mixed=forward_over_reverse."
            )
