"""What the two one-step estimators share: ω′, its loss, and the adjoint direction u."""

from typing import NamedTuple

import jax
from jax import Array

from autoreg_jax.hypergrad._base import Batch, BilevelProblem, Inner, InnerUpdate, Outer


class LookAhead(NamedTuple):
    """One virtual step and what the outer loss says there.

    Attributes:
        value: L_v(ω′, a).
        direct: ∂_a L_v(ω′, a).
        cotangent: v = ∇_ω′ L_v(ω′, a), a tree like ω.
        direction: u = (∂U/∂g)ᵀ v, a tree like ω; −ξ v for SGD.
    """

    value: Array
    direct: Outer
    cotangent: Inner
    direction: Inner


def look_ahead(
    problem: BilevelProblem,
    inner: Inner,
    outer: Outer,
    batches: tuple[Batch, Batch],
    inner_update: InnerUpdate,
) -> LookAhead:
    """Step ω virtually and pull the outer gradient back through the update alone."""
    train_batch, valid_batch = batches
    gradient = jax.grad(problem.inner_loss)(inner, outer, train_batch)
    value, (cotangent, direct) = jax.value_and_grad(problem.outer_loss, argnums=(0, 1))(
        inner_update(inner, gradient), outer, valid_batch
    )
    _, pullback = jax.vjp(lambda g: inner_update(inner, g), gradient)
    (direction,) = pullback(cotangent)
    return LookAhead(value, direct, cotangent, direction)
