"""Random trees."""

from typing import Any

import jax
from jax import Array
from jax.flatten_util import ravel_pytree


def gaussian_like(key: Array, tree: Any) -> Any:
    """Independent standard normal numbers in the shapes and types of the tree.

    The same numbers however they are arranged: those of the flat vector.
    """
    flat, unravel = ravel_pytree(tree)
    return unravel(jax.random.normal(key, flat.shape, flat.dtype))
