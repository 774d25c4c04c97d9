"""Images and displacements on a finer or coarser grid with the same corners."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from autoreg_jax.ops import repeat_border


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


class Pyramid(NamedTuple):
    """Arrays of one kind at the three scales, each on its own grid.

    Attributes:
        full: At full resolution, `(b, *space, c)`.
        half: On the grid `half_shape(space)`.
        quarter: On the grid `half_shape(half_shape(space))`.
    """

    full: Array
    half: Array
    quarter: Array


def resize_image(
    x: Float[Array, "b *space c"], shape: Sequence[int]
) -> Float[Array, "b *new_space c"]:
    """Linear interpolation onto `shape`, first and last voxels aligned.

    Voxel j of an axis of m voxels reads the old axis of n voxels at j (n - 1)/(m - 1).
    An axis of one voxel is repeated; an axis reduced to one voxel keeps its first.

    Args:
        x: Any image or features; intensities are not scaled.
        shape: New number of voxels of each space axis.

    Returns:
        `x` on the new grid.

    Raises:
        ValueError: If `shape` has another number of axes than `x`.
    """
    if len(shape) != x.ndim - 2:
        raise ValueError(
            f"Cannot resize an array of shape {x.shape} to {tuple(shape)}."
        )
    # Axes that shrink go first, so that the others have less to do.
    order = sorted(range(len(shape)), key=lambda i: shape[i] / x.shape[i + 1])
    for i in order:
        x = _resize_axis(x, i + 1, shape[i])
    return x


def resize_displacement(
    displacement: Float[Array, "b *space d"],
    shape: Sequence[int],
    *,
    is_nominal: bool = False,
) -> Float[Array, "b *new_space d"]:
    """The same deformation on another grid: resized, its vectors in the new voxels.

    With aligned corners one old voxel of axis i is (m_i - 1)/(n_i - 1) new ones, and
    component i is scaled by that factor, so that affine maps are carried over exactly.
    Where either axis has one voxel the factor is m_i/n_i.

    Args:
        displacement: In voxels of its own grid.
        shape: New number of voxels of each space axis.
        is_nominal: Scale by m_i/n_i in any case, as the published code does (2 or 1/2).

    Returns:
        The displacement in voxels of the new grid.

    Raises:
        ValueError: If `shape` has another number of axes than the displacement.
    """
    resized = resize_image(displacement, shape)
    factors = [
        (new - 1) / (old - 1) if old > 1 and new > 1 and not is_nominal else new / old
        for old, new in zip(displacement.shape[1:-1], shape, strict=True)
    ]
    scale = jnp.asarray(factors, resized.dtype)
    return resized * scale.reshape((1,) * (resized.ndim - 1) + (-1,))


def image_pyramid(image: Array) -> Pyramid:
    """The image at full, half and quarter resolution, intensities unchanged.

    Args:
        image: `(b, *space, c)`.

    Returns:
        Each coarser image is resized from the full one, corners aligned.
    """
    half = half_shape(image.shape[1:-1])
    quarter = half_shape(half)
    return Pyramid(image, resize_image(image, half), resize_image(image, quarter))


def _resize_axis(x: Array, axis: int, size: int) -> Array:
    """One-dimensional interpolation along `axis`."""
    old = x.shape[axis]
    if size == old:
        return x
    place = np.arange(size) * ((old - 1) / max(size - 1, 1))
    lower = np.clip(np.floor(place), 0, max(old - 2, 0)).astype(np.int32)
    upper = np.minimum(lower + 1, old - 1)
    along = [1] * x.ndim
    along[axis] = size
    weight = jnp.asarray((place - lower).reshape(along), x.dtype)
    first, second = (jnp.take(x, index, axis=axis) for index in (lower, upper))
    return (1 - weight) * first + weight * second


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
        widths = [reach * (axis == other) for other in range(x.ndim - 2)]
        padded = repeat_border(x, widths)
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
