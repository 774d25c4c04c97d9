"""One virtual step: ω′, its loss, and the adjoint direction u."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._assemble import outer_gradient
from autoreg_jax.hypergrad._base import (
    Batch,
    BilevelProblem,
    Inner,
    InnerUpdate,
    Outer,
    UpdateFn,
    as_inner_update,
)
from autoreg_jax.hypergrad._trajectory import finite_slopes


class LookAhead(NamedTuple):
    """One virtual step and what the outer loss says there.

    Attributes:
        value: L_v(ω′, a).
        direct: ∂_a L_v(ω′, a).
        cotangent: v = ∇_ω′ L_v(ω′, a), a tree like ω.
        direction: u = (∂U/∂g)ᵀ v, a tree like ω; −ξ v for SGD.
        sensitivity: (‖u‖/‖v‖) / (‖ω′ − ω‖/‖g‖): 1 for SGD, nearly 0 where the update
            hardly depends on its gradient (fresh Adam, sign updates).
        nonfinite: Number of entries of u that have no value and count as zero.
    """

    value: Array
    direct: Outer
    cotangent: Inner
    direction: Inner
    sensitivity: Array
    nonfinite: Array


def look_ahead(
    problem: BilevelProblem,
    inner: Inner,
    outer: Outer,
    batches: tuple[Batch, Batch],
    inner_update: InnerUpdate | UpdateFn,
) -> LookAhead:
    """Step ω virtually and pull the outer gradient back through the update alone."""
    update = as_inner_update(inner_update)
    train_batch, valid_batch = batches
    gradient = jax.grad(problem.inner_loss)(inner, outer, train_batch)
    stepped, pullback = jax.vjp(lambda g: update(inner, g), gradient)
    value, cotangent, direct = outer_gradient(problem, stepped, outer, valid_batch)
    (direction,), missing = finite_slopes(pullback(cotangent), (stepped, cotangent))
    norm = optax.tree.norm
    moved = norm(optax.tree.sub(stepped, inner)) * norm(cotangent)
    ratio = norm(direction) * norm(gradient) / jnp.where(moved > 0, moved, 1.0)
    return LookAhead(value, direct, cotangent, direction, ratio, missing)
