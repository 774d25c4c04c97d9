"""Random trees."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def gaussian_like(key: Array, tree: Any) -> Any:
    """Independent standard normal numbers in the shapes and types of the tree."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(key, len(leaves))
    return jax.tree.unflatten(
        structure,
        [
            jax.random.normal(k, jnp.shape(x), jnp.result_type(x))
            for k, x in zip(keys, leaves, strict=True)
        ],
    )
