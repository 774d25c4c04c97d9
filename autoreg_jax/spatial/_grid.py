"""The grid itself: the coordinates of its voxels and the shape of the next scale."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float


def identity_grid(shape: Sequence[int]) -> Float[Array, "*space d"]:
    """Coordinates of every voxel, in voxels: the map φ(x) = x.

    Args:
        shape: Number of voxels of each axis.

    Returns:
        Component i is the index along axis i.

    Examples:
        >>> identity_grid((2, 3))[1, 2]
        Array([1., 2.], dtype=float32)
    """
    axes = [jnp.arange(size, dtype=jnp.float32) for size in shape]
    return jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1)


def half_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Shape of the next coarser scale, rounded up.

    It is what a convolution of odd size k, stride 2 and padding (k - 1)/2 produces,
    so images, features and fields of one scale share one grid. Applied twice it gives
    the shape of the quarter scale.

    Args:
        shape: Number of voxels of each axis.

    Returns:
        (n + 1) // 2 for each axis.

    Examples:
        >>> half_shape((7, 8, 1))
        (4, 4, 1)
    """
    return tuple((size + 1) // 2 for size in shape)
