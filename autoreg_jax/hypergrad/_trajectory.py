"""Steps of ω, and the derivatives of one step through its optimizer."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.hypergrad._base import (
    Batch,
    BilevelProblem,
    Inner,
    InnerUpdate,
    Loss,
    Outer,
    State,
)


def finite_slopes(slopes: Any, given: Any) -> tuple[Any, Array]:
    """Zero for the slopes of an update that have no value, and how many those were.

    The slope of Adam's square root is infinite where a gradient has always been zero
    (a dead unit) and infinity times zero is NaN; the update does not move there. That
    is so only of an update of finite numbers: where one of `given` is not finite the
    model has diverged, which must show, and all of the slopes are NaN.
    """
    sound = [jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(given)]
    is_sound = jnp.all(jnp.stack(sound))
    missing = jax.tree.map(lambda x: ~jnp.isfinite(x), slopes)
    finite = jax.tree.map(
        lambda x, gone: jnp.where(is_sound, jnp.where(gone, 0, x), jnp.nan),
        slopes,
        missing,
    )
    counts = [jnp.sum(gone) for gone in jax.tree.leaves(missing)]
    return finite, jnp.where(is_sound, sum(counts), 0)


def split_floats(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The floating leaves, and the tree that has others in their place.

    Counters and keys in the state of an optimizer have no derivative.
    """
    leaves, structure = jax.tree.flatten(tree)
    floats = [jnp.issubdtype(jnp.result_type(x), jnp.inexact) for x in leaves]

    def merge(values: list[Any]) -> Any:
        source = iter(values)
        merged = [
            next(source) if is_float else leaf
            for leaf, is_float in zip(leaves, floats, strict=True)
        ]
        return jax.tree.unflatten(structure, merged)

    chosen = [x for x, is_float in zip(leaves, floats, strict=True) if is_float]
    return chosen, merge


def step_batches(batch: Batch, steps: int, stacked: bool) -> Batch:
    """One batch a step on the leading axis, or None: the same batch at every step."""
    if not stacked:
        return None
    for path, leaf in jax.tree_util.tree_leaves_with_path(batch):
        if jnp.ndim(leaf) < 1 or jnp.shape(leaf)[0] != steps:
            raise ValueError(
                f"train_batch{jax.tree_util.keystr(path)} must hold {steps} batches on "
                f"its leading axis (stacked=True), got the shape {jnp.shape(leaf)}."
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
    """(ω, s) after the given number of steps on the loss."""
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
    """One step of (ω, s) and of its derivatives along each vector of the basis of a.

    Tangents and basis have a leading axis, one entry for each vector. Also the number
    of slopes without a value.
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
        return finite_slopes(out, (new, omega, slope))

    moved, missing = jax.vmap(push)(tangents, basis)
    return (new, after), moved, jnp.sum(missing)
