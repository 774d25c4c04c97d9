"""Smoothing and downsampling of images for a coarse-to-fine registration."""

import math

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from autoreg_jax.spatial._resize import resize_image

# Axes are not shortened below this: a window of the correlation must fit.
_SHORTEST = 12
# Standard deviation, in voxels, of the smoothing before downsampling by two.
_ANTIALIAS = 0.7


def gaussian_smooth(
    x: Float[Array, "b *space c"], sigma: float, *, axes: tuple[int, ...] | None = None
) -> Float[Array, "b *space c"]:
    """Convolution with a Gaussian, axis by axis; the edge is repeated.

    Args:
        x: Images or fields.
        sigma: Standard deviation in voxels, > 0.
        axes: Space axes (from 0) along which to smooth; default: all.

    Returns:
        The smoothed array; constants are unchanged.
    """
    reach = math.ceil(2.5 * sigma)
    weights = [math.exp(-0.5 * (i / sigma) ** 2) for i in range(-reach, reach + 1)]
    for axis in range(x.ndim - 2) if axes is None else axes:
        widths = [(0, 0)] * x.ndim
        widths[axis + 1] = (reach, reach)
        padded = jnp.pad(x, widths, mode="edge")
        size = x.shape[axis + 1]
        taps = [
            weight / sum(weights) * lax.slice_in_dim(padded, i, i + size, axis=axis + 1)
            for i, weight in enumerate(weights)
        ]
        x = jnp.asarray(sum(taps))
    return x


def coarser_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Half the number of voxels along each axis that is long enough.

    Examples:
        >>> coarser_shape((160, 33, 20, 1))
        (80, 17, 20, 1)
    """
    return tuple(
        (size + 1) // 2 if (size + 1) // 2 >= _SHORTEST else size for size in shape
    )


def downsample(
    image: Float[Array, "b *space c"], shape: tuple[int, ...]
) -> Float[Array, "b *new_space c"]:
    """Resize to a `coarser_shape`, after smoothing along the axes that shrink.

    Args:
        image: Any intensities.
        shape: New number of voxels of each space axis, corners aligned.

    Returns:
        The image on the new grid.
    """
    old = image.shape[1:-1]
    axes = tuple(axis for axis, size in enumerate(shape) if size < old[axis])
    return resize_image(gaussian_smooth(image, _ANTIALIAS, axes=axes), shape)
