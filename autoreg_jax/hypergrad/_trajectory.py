"""Inner steps, and the derivatives of one step through its optimizer."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from autoreg_jax.hypergrad._base import (
    Batch,
    BilevelProblem,
    Inner,
    InnerUpdate,
    Loss,
    Outer,
    State,
)
from autoreg_jax.hypergrad._tree import finite_or_zero, split_floats


def step_batches(batch: Batch, steps: int, stacked: bool) -> Batch:
    """The batches of the steps, stacked, or None if all steps share one batch."""
    if not stacked:
        return None
    for path, leaf in jax.tree_util.tree_leaves_with_path(batch):
        if jnp.ndim(leaf) < 1 or jnp.shape(leaf)[0] != steps:
            raise ValueError(
                f"train_batch{jax.tree_util.keystr(path)} must hold {steps} batches on "
                f"its leading axis (stacked=True), got shape {jnp.shape(leaf)}."
            )
    return batch


def descend(
    loss: Loss,
    update: InnerUpdate,
    start: tuple[Inner, State],
    outer: Outer,
    batch: Batch,
    steps: int,
    stacked: bool = False,
) -> tuple[Inner, State]:
    """(ω, s) after a number of steps on the loss."""
    batches = step_batches(batch, steps, stacked)

    def body(carry: Any, own: Batch) -> tuple[Any, None]:
        inner, state = carry
        gradient = jax.grad(loss)(inner, outer, own if stacked else batch)
        return update.step(inner, gradient, state), None

    return jax.lax.scan(body, start, batches, length=steps)[0]


def tangent_step(
    problem: BilevelProblem,
    update: InnerUpdate,
    carry: tuple[Inner, State],
    tangents: tuple[Inner, list[Any]],
    outer: Outer,
    basis: Outer,
    batch: Batch,
) -> tuple[tuple[Inner, State], tuple[Inner, list[Any]], Array]:
    """One step of (ω, s) and of its derivatives along the unit vectors of a.

    Tangents and basis have a leading axis, one entry for each unit vector. Returned
    last is the number of non-finite slopes.
    """
    inner, state = carry
    floats, merge = split_floats(state)

    def gradient_at(omega: Inner, a: Outer) -> Inner:
        return jax.grad(problem.inner_loss)(omega, a, batch)

    def phi(g: Inner, moments: list[Any], o: Inner) -> tuple[Inner, list[Any]]:
        new, after = update.step(o, g, merge(moments))
        return new, split_floats(after)[0]

    gradient = gradient_at(inner, outer)
    new, after = update.step(inner, gradient, state)

    def push(tangent: tuple[Inner, list[Any]], along: Outer) -> Any:
        omega, moments = tangent
        _, slope = jax.jvp(gradient_at, (inner, outer), (omega, along))
        _, out = jax.jvp(phi, (gradient, floats, inner), (slope, moments, omega))
        return finite_or_zero(out, (new, omega, slope))

    moved, missing = jax.vmap(push)(tangents, basis)
    return (new, after), moved, jnp.sum(missing)


def unit_vectors(outer: Outer) -> Outer:
    """The unit vectors of a, stacked on a leading axis."""
    flat, unravel = ravel_pytree(outer)
    return jax.vmap(unravel)(jnp.eye(flat.size, dtype=flat.dtype))


def zero_tangents(start: tuple[Inner, State], outer: Outer) -> tuple[Inner, list[Any]]:
    """Tangents of (ω, s) before the first step, which do not depend on a."""
    size = ravel_pytree(outer)[0].size
    inner, state = start
    return jax.tree.map(
        lambda x: jnp.zeros((size, *jnp.shape(x)), jnp.result_type(x)),
        (inner, split_floats(state)[0]),
    )


def contract(cotangent: Inner, tangents: Inner, outer: Outer) -> Outer:
    """Zᵀ v, a tree like a."""
    flat, unravel = ravel_pytree(outer)
    products = jax.vmap(lambda z: optax.tree.vdot(cotangent, z))(tangents)
    return unravel(jnp.asarray(products, flat.dtype))
