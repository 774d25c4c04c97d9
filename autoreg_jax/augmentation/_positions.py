"""Where an image lies: small affine maps, and mirror images."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, Shaped

from autoreg_jax.spatial import (
    affine_generators,
    affine_matrix,
)


def random_affine(
    key: Key[Array, ""],
    shape: Sequence[int],
    strength: float,
    spacing: Sequence[float] | None = None,
) -> Float[Array, "d+1 d+1"]:
    """A random affine map about the centre of a grid.

    Args:
        key: Of its parameters, each uniform in ± strength: rotations in radians,
            logarithms of scales, shears, and shifts in halves of each axis.
        shape: Number of voxels of each axis.
        strength: A twentieth to a fifth is usual.
        spacing: Sizes of a voxel, in any unit; None: a cube.

    Returns:
        Homogeneous matrix of x to A x, in voxels, for `spatial.apply_affine`.
    """
    sizes = jnp.ones(len(shape), jnp.float32)
    if spacing is not None:
        sizes = jnp.asarray(spacing, jnp.float32) / spacing[0]
    centre = (jnp.asarray(shape, jnp.float32) - 1) / 2 * sizes
    count = len(affine_generators(len(shape), "affine"))
    parameters = strength * jax.random.uniform(key, (count,), sizes.dtype, -1.0)
    shifts = parameters[: len(shape)] * centre
    parameters = jnp.concatenate([shifts, parameters[len(shape) :]])
    scales = jnp.concatenate([sizes, jnp.ones(1, sizes.dtype)])
    return affine_matrix(parameters, centre) * (scales[None] / scales[:, None])


def flips(key: Key[Array, ""], axes: Sequence[int], ndim: int) -> Bool[Array, " d"]:
    """Which axes to mirror: each of `axes` with probability one half, no other."""
    allowed = jnp.asarray([axis in axes for axis in range(ndim)])
    return allowed & jax.random.bernoulli(key, shape=(ndim,))


def mirrored(
    image: Shaped[Array, "*space c"], axes: Bool[Array, " d"]
) -> Shaped[Array, "*space c"]:
    """The image, mirrored along the axes that are marked."""
    for axis in range(image.ndim - 1):
        image = jnp.where(axes[axis], jnp.flip(image, axis), image)
    return image
