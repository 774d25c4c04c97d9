"""Sums and products of trees that keep the types of their leaves."""

import math
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._checks import Number


def add_scale(tree: Any, factor: Number, other: Any) -> Any:
    """`tree + factor * other`, in the types of the first tree, whatever the factor's.

    A factor that is an array, traced or mapped over, has a type of its own, often a
    wider one than that of the weights, which a loop must not change.
    """
    return jax.tree.map(lambda x, y: x + _like(x, _product(factor, y)), tree, other)


def scale(factor: Number, tree: Any) -> Any:
    """`factor * tree`, in the types of the tree."""
    return jax.tree.map(lambda x: _like(x, _product(factor, x)), tree)


def _product(factor: Number, value: Any) -> Array:
    wide = common_type(factor, value)
    return jnp.asarray(factor, wide) * jnp.asarray(value, wide)


def _like(kind: Any, value: Any) -> Array:
    return jnp.asarray(value).astype(jnp.result_type(kind))


def common_type(*values: Any) -> Any:
    """The type that holds numbers of all of these, also where promotion is strict.

    Args:
        *values: Arrays, numbers or types.
    """
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(*values)


def at_least_single(*values: Any) -> Any:
    """The type that holds numbers of all of these, single precision or more.

    A weak type, such as that of a Python number under a trace, would yield to single
    precision: a double that is weak would be rounded.

    Args:
        *values: Arrays or numbers.
    """
    return common_type(*(jnp.asarray(x).dtype for x in values), jnp.float32)


def inner_product(left: Any, right: Any) -> Array:
    """⟨left, right⟩ of two trees of one structure, in single precision or more.

    A sum of products: exact on every platform, where a dot product is rounded to the
    fast type of the device, and defined for arrays that are divided over a mesh.
    """

    def product(a: Any, b: Any) -> Array:
        wide = at_least_single(a, b)
        return jnp.sum(jnp.asarray(a, wide) * jnp.asarray(b, wide))

    return jnp.asarray(optax.tree.sum(jax.tree.map(product, left, right)))


def gaussian_like(key: Array, tree: Any) -> Any:
    """Independent standard normal numbers with the shapes and dtypes of the tree.

    The numbers depend on the flat vector only, not on the structure of the tree.
    """
    size, dtype = flat_kind(tree)
    return unflattened(jax.random.normal(key, (size,), dtype), tree)


def unit_vectors(tree: Any) -> Any:
    """The unit vectors of a tree, stacked on a leading axis."""
    size, dtype = flat_kind(tree)
    return jax.vmap(lambda e: unflattened(e, tree))(jnp.eye(size, dtype=dtype))


def flat_kind(tree: Any) -> tuple[int, Any]:
    """Length and type of the vector that the tree would be."""
    leaves = jax.tree.leaves(tree)
    dtype = common_type(*leaves) if leaves else jnp.zeros(()).dtype
    return sum(math.prod(jnp.shape(x)) for x in leaves), dtype


def unflattened(vector: Array, tree: Any) -> Any:
    """A tree of the shapes and dtypes of another one from a vector.

    Of the other one nothing but its shapes is used: an array that is divided over a
    mesh cannot always be made flat.
    """
    leaves, structure = jax.tree.flatten(tree)
    ends = list(accumulate(math.prod(jnp.shape(x)) for x in leaves))
    parts = [
        _like(x, vector[begin:end].reshape(jnp.shape(x)))
        for x, begin, end in zip(leaves, [0, *ends], ends, strict=False)
    ]
    return jax.tree.unflatten(structure, parts)


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


def like_floats(tree: Any, values: list[Any]) -> Any:
    """The values in the place of the floating-point leaves, None in that of others."""
    leaves, structure = jax.tree.flatten(tree)
    source = iter(values)
    placed = [next(source) if split_floats(leaf)[0] else None for leaf in leaves]
    return jax.tree.unflatten(structure, placed)
