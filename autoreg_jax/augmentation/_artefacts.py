"""What a scanner adds to an image: blur, thick slices and noise."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from autoreg_jax.spatial import gaussian_smooth

# Voxels of which a slice at the end must have more.
_THINNEST = 1e-3


def blurred(
    key: Key[Array, ""], image: Float[Array, "*space 1"], strength: float
) -> Float[Array, "*space 1"]:
    """A random blend of the image and the image behind a Gaussian.

    Args:
        key: Of the share of the smoothed image, uniform in [0, 1].
        image: In [0, 1].
        strength: Standard deviation of the Gaussian, voxels; a constant.

    Returns:
        An image in [0, 1].
    """
    if strength == 0:
        return image
    share = jax.random.uniform(key, (), image.dtype)
    smooth = gaussian_smooth(image[None], strength)[0]
    return (1 - share) * image + share * smooth


def thick_sliced(
    key: Key[Array, ""], image: Float[Array, "*space 1"], strength: float
) -> Float[Array, "*space 1"]:
    """The image as from thick slices: means over slices of one axis, resized linearly.

    Args:
        key: Of the axis, of the thickness of a slice, uniform from 1 to 1 + strength
            voxels, and of the place of the first slice.
        image: In [0, 1].
        strength: Voxels by which a slice is thicker than a voxel at most.

    Returns:
        An image in [0, 1].
    """
    axis_key, size_key, place_key = jax.random.split(key, 3)
    ndim = image.ndim - 1
    axis = jax.random.randint(axis_key, (), 0, ndim)
    thickness = 1 + strength * jax.random.uniform(size_key, (), image.dtype)
    phase = (1 - 1 / thickness) * jax.random.uniform(place_key, (), image.dtype)
    found = image
    for place in range(ndim):
        there_and_back = slices(image.shape[place], thickness, phase)
        moved = jnp.tensordot(there_and_back, image, (1, place), precision="highest")
        found = jnp.where(axis == place, jnp.moveaxis(moved, 0, place), found)
    return found


def slices(
    size: int, thickness: Float[Array, ""] | float, phase: Float[Array, ""] | float
) -> Float[Array, "size size"]:
    """The matrix from voxels of an axis to slices and linearly back.

    Args:
        size: Number of voxels.
        thickness: Of a slice, in voxels, at least 1; slices touch each other.
        phase: Part of the first slice that lies before the first voxel, from 0 to
            1 - 1 / thickness.
    """
    dtype = jnp.result_type(float, thickness, phase)
    voxels = jnp.arange(size, dtype=dtype)[None]
    number = jnp.arange(size + 1, dtype=dtype)
    begin = ((number - phase) * thickness - 0.5)[:, None]
    shared = jnp.minimum(begin + thickness, voxels + 0.5)
    shared = jnp.maximum(shared - jnp.maximum(begin, voxels - 0.5), 0)
    covered = jnp.sum(shared, 1, keepdims=True)
    means = shared / jnp.where(covered > 0, covered, 1)
    last = jnp.sum(covered > _THINNEST).astype(dtype) - 1
    where = jnp.clip((voxels.T + 0.5) / thickness + phase - 0.5, 0, last)
    nearness = 1 - jnp.abs(where - number[None])
    return jnp.matmul(jnp.maximum(nearness, 0), means, precision="highest")


def noisy(
    key: Key[Array, ""], image: Float[Array, "*space 1"], strength: float
) -> Float[Array, "*space 1"]:
    """The image with normal noise, cut to [0, 1].

    Args:
        key: Of the noise and of its standard deviation, uniform in [0, strength].
        image: In [0, 1].
        strength: Largest standard deviation.

    Returns:
        An image in [0, 1].
    """
    size_key, noise_key = jax.random.split(key)
    deviation = strength * jax.random.uniform(size_key, (), image.dtype)
    noise = jax.random.normal(noise_key, image.shape, image.dtype)
    return jnp.clip(image + deviation * noise, 0, 1)
