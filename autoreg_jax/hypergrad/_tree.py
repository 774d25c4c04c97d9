"""Tree operations that Optax does not have."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree


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
