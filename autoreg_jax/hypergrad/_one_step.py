"""What the two one-step estimators share: ω′, its loss, and the adjoint direction u."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
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
    train_batch: Batch,
    valid_batch: Batch,
    inner_update: InnerUpdate,
) -> LookAhead:
    """Step ω virtually and pull the outer gradient back through the update alone."""
    evaluate = _twice if problem.inner_loss is problem.outer_loss else _each
    gradient, value, cotangent, direct = evaluate(
        problem, inner, outer, train_batch, valid_batch, inner_update
    )
    _, pullback = jax.vjp(lambda g: inner_update(inner, g), gradient)
    (direction,) = pullback(cotangent)
    return LookAhead(value, direct, cotangent, direction)


def _each(
    problem: BilevelProblem,
    inner: Inner,
    outer: Outer,
    train_batch: Batch,
    valid_batch: Batch,
    inner_update: InnerUpdate,
) -> tuple[Inner, Array, Inner, Outer]:
    """Inner gradient at ω, then value and both outer gradients at ω′."""
    gradient = jax.grad(problem.inner_loss)(inner, outer, train_batch)
    value, (cotangent, direct) = jax.value_and_grad(problem.outer_loss, argnums=(0, 1))(
        inner_update(inner, gradient), outer, valid_batch
    )
    return gradient, value, cotangent, direct


def _twice(
    problem: BilevelProblem,
    inner: Inner,
    outer: Outer,
    train_batch: Batch,
    valid_batch: Batch,
    inner_update: InnerUpdate,
) -> tuple[Inner, Array, Inner, Outer]:
    """The same where both losses are one function: a loop of two, compiled once."""

    def body(point: Inner, batch: Batch) -> tuple[Inner, tuple[Array, Inner, Outer]]:
        value, (gradient, direct) = jax.value_and_grad(
            problem.inner_loss, argnums=(0, 1)
        )(point, outer, batch)
        return inner_update(inner, gradient), (value, gradient, direct)

    batches = jax.tree.map(lambda *pair: jnp.stack(pair), train_batch, valid_batch)
    _, (values, gradients, directs) = jax.lax.scan(body, inner, batches)
    gradient, cotangent = (jax.tree.map(lambda g, i=i: g[i], gradients) for i in (0, 1))
    direct = jax.tree.map(lambda g: g[1], directs)
    return gradient, values[1], cotangent, direct
