"""Values of an image between its voxels: linear, nearest and cubic interpolation."""

import itertools
import math
from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Shaped

AxisTaps = Callable[[Array, int, str], list[tuple[Array, Array]]]


def sample_linear(
    image: Float[Array, "b *space c"],
    coordinates: Float[Array, "b *out d"],
    *,
    boundary: str = "zeros",
) -> Float[Array, "b *out c"]:
    """Multilinear interpolation of `image` at `coordinates`.

    All 2^d corners are read by one gather of channel vectors, so the gradient with
    respect to the image is one scatter. At a voxel centre the derivative with respect
    to the coordinates is the one of the cell above it.

    Args:
        image: Channels last, d space axes of any size.
        coordinates: Voxels of `image`; the centre of the first voxel is 0. A place
            that is not a number is outside and reads 0.
        boundary: "zeros" pads with zeros, so values fall linearly to zero within one
            voxel of the grid (`grid_sample` of PyTorch with aligned corners); "edge"
            repeats the border.

    Returns:
        The values; the output axes are those of `coordinates`.

    Raises:
        ValueError: If `boundary` is unknown.
        ValueError: If the batch or the number of axes of the two differ.

    Examples:
        >>> import jax.numpy as jnp
        >>> image = jnp.arange(3.0).reshape(1, 3, 1)
        >>> sample_linear(image, jnp.array([[[0.5], [2.5]]]))[0, :, 0]
        Array([0.5, 1. ], dtype=float32)
    """
    return interpolate(image, coordinates, boundary, _axis_corners)


def sample_nearest(
    image: Shaped[Array, "b *space c"], coordinates: Float[Array, "b *out d"]
) -> Shaped[Array, "b *out c"]:
    """Value of the voxel nearest to each coordinate, zero outside the grid.

    Halves round up. The dtype is kept, so label maps stay integers. The derivative
    with respect to the coordinates is zero.

    Args:
        image: Channels last, d space axes of any size, any dtype.
        coordinates: Voxels of `image`.

    Returns:
        The values; the output axes are those of `coordinates`.

    Raises:
        ValueError: If the batch or the number of axes of the two differ.
    """
    points = jnp.floor(_flat_points(image, coordinates) + 0.5)
    inside = jnp.ones(points.shape[:-1], bool)
    index = []
    for axis, size in enumerate(image.shape[1:-1]):
        place = points[..., axis]
        inside &= (place >= 0) & (place <= size - 1)
        index.append(jnp.clip(place, 0, size - 1).astype(jnp.int32))
    values = _gather(image, _flat_index(index, image.shape))
    values = jnp.where(inside[..., None], values, jnp.zeros_like(values))
    return values.reshape(*coordinates.shape[:-1], image.shape[-1])


def interpolate(
    image: Array, coordinates: Array, boundary: str, axis_taps: AxisTaps
) -> Array:
    """Weighted sum of voxels, whose indices and weights are products over the axes.

    `axis_taps` maps `(places, size, boundary)` to voxels of one axis with their
    weights.
    """
    if boundary not in ("zeros", "edge"):
        raise ValueError(f'boundary must be "zeros" or "edge", got {boundary!r}.')
    points = _flat_points(image, coordinates)
    taps = [
        axis_taps(points[..., axis], size, boundary)
        for axis, size in enumerate(image.shape[1:-1])
    ]
    indices, weights = [], []
    for tap in itertools.product(*taps):
        indices.append(_flat_index([index for index, _ in tap], image.shape))
        weights.append(math.prod(weight for _, weight in tap))
    # Taps lead: a sum over a leading axis keeps XLA's transposes contiguous.
    values = _gather(image, jnp.stack(indices))
    samples = jnp.sum(jnp.stack(weights)[..., None] * values, axis=0)
    return samples.reshape(*coordinates.shape[:-1], image.shape[-1])


def _flat_points(image: Array, coordinates: Array) -> Array:
    """The coordinates as (b, points, d), checked against the image."""
    dimensions = image.ndim - 2
    if coordinates.shape[-1] != dimensions or coordinates.shape[0] != image.shape[0]:
        raise ValueError(
            f"An image of shape {image.shape} has {dimensions} space axes and batch "
            f"{image.shape[0]}; coordinates of shape {coordinates.shape} do not match."
        )
    return coordinates.reshape(image.shape[0], -1, dimensions)


def _axis_corners(place: Array, size: int, boundary: str) -> list[tuple[Array, Array]]:
    """The one or two voxels of an axis around each place, and their weights."""
    last_cell = max(size - 2, 0)
    if boundary == "edge":
        # `where`, not `clip`: the derivative on the border itself is then one-sided.
        place = jnp.where(place < 0, 0.0, jnp.where(place > size - 1, size - 1, place))
        cell = jnp.clip(jnp.floor(place), 0, last_cell)
    else:
        cell = jnp.floor(place)
    fraction = place - cell
    first = jnp.clip(cell, 0, last_cell)
    corners = []
    for offset in range(min(size, 2)):
        voxel = first + offset
        # Outside the grid `first` is not `cell`, and the missing corner weighs nothing.
        weight = jnp.where(
            voxel == cell,
            1 - fraction,
            jnp.where(voxel == cell + 1, fraction, jnp.zeros_like(fraction)),
        )
        corners.append((voxel.astype(jnp.int32), weight))
    return corners


def _flat_index(index: list[Array], shape: tuple[int, ...]) -> Array:
    """Row of each voxel (b, points) in its image flattened to (rows, channels)."""
    rows = index[0]
    for place, size in zip(index[1:], shape[2:-1], strict=True):
        rows = rows * size + place
    return rows


def _gather(image: Array, rows: Array) -> Array:
    """Channel vectors of rows (*, b, points), clipped: a NaN place makes any row.

    The batch axis stays one, so images that lie on several devices are read where they
    are; a row of all images together would fetch every image to every device.
    """
    batch, *space, channels = image.shape
    numbers = lax.GatherDimensionNumbers(
        offset_dims=(rows.ndim,),
        collapsed_slice_dims=(1,),
        start_index_map=(1,),
        operand_batching_dims=(0,),
        start_indices_batching_dims=(rows.ndim - 2,),
    )
    flat = image.reshape(batch, math.prod(space), channels)
    # No row is negative. But XLA keeps what is used twice, and would otherwise compute
    # each row again for every channel: integration on a CPU took 1.5 times as long.
    rows = jnp.where(rows < 0, rows + flat.shape[1], rows)
    return lax.gather(flat, rows[..., None], numbers, (1, 1, channels), mode="clip")


def sample_cubic(
    image: Float[Array, "b *space c"],
    coordinates: Float[Array, "b *out d"],
    *,
    boundary: str = "zeros",
) -> Float[Array, "b *out c"]:
    """Cubic convolution of `image` at `coordinates`: no kinks at the voxel centres.

    The values at voxel centres are those of the image, quadratic images are met exactly
    away from the border, and the derivative is continuous, where that of linear
    interpolation jumps at every voxel. 4^d voxels are read instead of 2^d.

    Args:
        image: Channels last, d space axes of any size.
        coordinates: Voxels of `image`; the centre of the first voxel is 0. A place
            that is not a number is outside and reads 0.
        boundary: "zeros" or "edge": what stands outside the grid.

    Returns:
        The values; the output axes are those of `coordinates`.

    Raises:
        ValueError: If `boundary` is unknown.
        ValueError: If the batch or the number of axes of the two differ.

    Examples:
        >>> image = (jnp.arange(6.0) ** 2).reshape(1, 6, 1)
        >>> float(sample_cubic(image, jnp.array([[[2.5]]]))[0, 0, 0])
        6.25

    References:
        Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP
        1981, with a = -1/2.
    """
    return interpolate(image, coordinates, boundary, _axis_taps)


def _axis_taps(place: Array, size: int, boundary: str) -> list[tuple[Array, Array]]:
    """The four voxels of an axis around each place, and their weights."""
    is_number = ~jnp.isnan(place)
    # Further out nothing changes, and the cell must fit into an integer.
    place = jnp.clip(jnp.where(is_number, place, 0.0), -3.0, size + 2.0)
    cell = jnp.floor(place)
    t = place - cell
    kernel = (
        t * (-0.5 + t * (1.0 - 0.5 * t)),
        1.0 + t * t * (1.5 * t - 2.5),
        t * (0.5 + t * (2.0 - 1.5 * t)),
        t * t * (0.5 * t - 0.5),
    )
    taps = []
    for offset, weight in enumerate(kernel):
        voxel = cell + (offset - 1)
        counts = is_number
        if boundary == "zeros":
            counts &= (voxel >= 0) & (voxel <= size - 1)
        weight = jnp.where(counts, weight, jnp.zeros_like(weight))
        taps.append((jnp.clip(voxel, 0, size - 1).astype(jnp.int32), weight))
    return taps
