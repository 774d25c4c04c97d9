"""Operations on trees that Optax lacks."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree


def gaussian_like(key: Array, tree: Any) -> Any:
    """Independent standard normal numbers in the shapes and types of the tree.

    The same numbers however they are arranged: those of the flat vector.
    """
    flat, unravel = ravel_pytree(tree)
    return unravel(jax.random.normal(key, flat.shape, flat.dtype))


def finite_or_zero(slopes: Any, given: Any) -> tuple[Any, Array]:
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
