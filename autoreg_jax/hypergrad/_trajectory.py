"""Inner steps of ω: updates, their derivatives through an optimizer, their trees."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from autoreg_jax.hypergrad._base import (
    AnyUpdate,
    Batch,
    BilevelProblem,
    Inner,
    InnerUpdate,
    Loss,
    Outer,
    State,
    inner_product,
)


def gradient_descent(learning_rate: float) -> InnerUpdate:
    """ω′ = ω − ξ g, the virtual step of Algorithm 1.

    Args:
        learning_rate: ξ > 0. The paper writes the step without a factor (ξ = 1), its
            published code uses the learning rate of the optimizer of ω.

    Returns:
        The update, callable as `(inner, gradient) -> inner`.

    Raises:
        ValueError: If `learning_rate` is not positive.

    Examples:
        >>> float(gradient_descent(0.5)(2.0, 1.0))
        1.5
    """
    if learning_rate <= 0:
        raise ValueError(f"learning_rate must be positive, got {learning_rate}.")

    def step(inner: Inner, gradient: Inner, state: State) -> tuple[Inner, State]:
        return optax.tree.add_scale(inner, -learning_rate, gradient), state

    return InnerUpdate((), step)


def from_optax(
    optimizer: optax.GradientTransformation, state: optax.OptState
) -> InnerUpdate:
    """ω′ = one step of an Optax optimizer from the given state.

    The first step of Adam is almost insensitive to its gradient (∂U/∂g ≈ 0), so the
    indirect part nearly vanishes; the diagnostic `sensitivity` shows it. The square
    root in Adam has an infinite slope where a gradient is exactly zero: these entries
    of the adjoint are set to zero and counted by the diagnostic `nonfinite`. With
    `eps_root > 0`, e.g. 1e-8, they are finite.

    Args:
        optimizer: Any Optax transformation that returns updates of ω.
        state: Its state before the step.

    Returns:
        The update with its state, for any number of steps.
    """

    def step(inner: Inner, gradient: Inner, state: State) -> tuple[Inner, State]:
        updates, state = optimizer.update(gradient, state, inner)
        return optax.apply_updates(inner, updates), state

    return InnerUpdate(state, step)


def as_inner_update(update: AnyUpdate) -> InnerUpdate:
    """The update itself; a plain `(inner, gradient) -> inner` gets an empty state."""
    if isinstance(update, InnerUpdate):
        return update
    return InnerUpdate(
        (), lambda inner, gradient, state: (update(inner, gradient), state)
    )


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
    products = jax.vmap(lambda z: inner_product(cotangent, z))(tangents)
    return unravel(jnp.asarray(products, flat.dtype))


def gaussian_like(key: Array, tree: Any) -> Any:
    """Independent standard normal numbers with the shapes and dtypes of the tree.

    The numbers depend on the flat vector only, not on the structure of the tree.
    """
    flat, unravel = ravel_pytree(tree)
    return unravel(jax.random.normal(key, flat.shape, flat.dtype))


def finite_or_zero(slopes: Any, given: Any) -> tuple[Any, Array]:
    """Set the non-finite slopes of an update to zero, and count them.

    The square root in Adam has an infinite slope where a gradient has always been zero
    (a dead unit), and infinity times zero is NaN, although the update does not move
    there. This holds for an update of finite numbers only: if one of `given` is not
    finite, the model has diverged, and all slopes become NaN so that it shows.
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
    """The floating-point leaves, and a function that puts others in their place.

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
