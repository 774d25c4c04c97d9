"""Regions without content."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


def with_hole(
    key: Key[Array, ""], image: Float[Array, "*space 1"], strength: float
) -> Float[Array, "*space 1"]:
    """The image whose mean fills a box somewhere in it.

    Args:
        key: Of the box.
        image: In [0, 1].
        strength: Longest edge of the box as a share of the axis, 0 to 1.

    Returns:
        An image in [0, 1].
    """
    ndim = image.ndim - 1
    size_key, place_key = jax.random.split(key)
    edges = strength * jax.random.uniform(size_key, (ndim,), image.dtype)
    starts = (1 - edges) * jax.random.uniform(place_key, (ndim,), image.dtype)
    inside = jnp.ones(image.shape, bool)
    for axis in range(ndim):
        voxels = jax.lax.broadcasted_iota(image.dtype, image.shape, axis)
        places = (voxels + 0.5) / image.shape[axis]
        end = starts[axis] + edges[axis]
        inside &= (places > starts[axis]) & (places < end)
    return jnp.where(inside, jnp.mean(image), image)
