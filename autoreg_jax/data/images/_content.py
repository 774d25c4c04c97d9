"""What an image shows, in a few numbers: where it is, how large, how bright."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from autoreg_jax.data.images._intensity import normalize_intensity
from autoreg_jax.geometry import Grid, Volume, resample

__all__ = ["Content", "content_of", "thumbnail"]

# Brighter than this part of the range is content, not background.
_FOREGROUND = 0.1
# An image is looked at with at most so many voxels on each axis.
_SIZE = 48
# Voxels of a thumbnail on each axis.
_THUMBNAIL = 24
# Specks beside the anatomy: the outermost part of the content on each side.
_SPECKS = 0.005


@dataclass(frozen=True, eq=False)
class Content:
    """What an image shows.

    Attributes:
        small: The image from 0 to 1 with few voxels.
        centre: Centre of mass of the content, world mm.
        low: Lower corner of its box along R, A, S, world mm.
        high: Upper corner.
        quantiles: Grey values at 0.5, 50 and 99.5 % of the voxels.
    """

    small: Volume
    centre: Float[np.ndarray, "3"]
    low: Float[np.ndarray, "3"]
    high: Float[np.ndarray, "3"]
    quantiles: tuple[float, float, float]

    @property
    def size(self) -> Float[np.ndarray, "3"]:
        """Extent of the content along R, A, S, mm."""
        return self.high - self.low

    @property
    def inside(self) -> Bool[np.ndarray, "*space"]:
        """Which voxels of `small` are content."""
        return self.small.array > _FOREGROUND


def content_of(image: Volume, mask: Volume | None = None) -> Content:
    """Measure an image.

    Args:
        image: Any image that is not constant.
        mask: Where its anatomy is, on its grid.

    Returns:
        The measurements; positions are as exact as the voxels of `small` are small.
    """
    array = image.array
    if mask is not None:
        inside = mask.array != 0
        array = np.where(inside, array, array[inside].min())
    small = _smaller(Volume(normalize_intensity(array), image.affine, image.path))
    content = small.array > _FOREGROUND
    if not content.any():  # a few bright voxels in the dark
        content = small.array > 0
    weights = np.where(content, small.array, 0).ravel().astype(np.float64)
    ends = np.indices(small.shape).reshape(small.ndim, -1)
    world = small.affine[:3, : small.ndim] @ ends + small.affine[:3, 3:]
    seen = world[:, content.ravel()]
    # Half a voxel beyond the outermost centres.
    margin = 0.5 * np.abs(small.affine[:3, : small.ndim]).sum(1)
    low, high = np.quantile(seen, [_SPECKS, 1 - _SPECKS], axis=1)
    found = np.percentile(image.array, [0.5, 50, 99.5])
    return Content(
        small=small,
        centre=world @ weights / weights.sum(),
        low=low - margin,
        high=high + margin,
        quantiles=(float(found[0]), float(found[1]), float(found[2])),
    )


def thumbnail(content: Content, size_mm: float) -> Float[np.ndarray, "*space"]:
    """The content in a box about its centre of mass, axes along R, A, S.

    Images of one kind then lie roughly over one another, wherever their headers put
    them.

    Args:
        content: Of an image.
        size_mm: Edge of the box.

    Returns:
        `(24, 24, 24)`, or `(24, 24)` along the axes of the plane.
    """
    ndim = content.small.ndim
    step = size_mm / _THUMBNAIL
    affine = np.eye(4)
    affine[:3, :3] = step * _directions(content.small)
    middle = affine[:3, :ndim] @ np.full(ndim, (_THUMBNAIL - 1) / 2)
    affine[:3, 3] = content.centre - middle
    return resample(content.small, Grid((_THUMBNAIL,) * ndim, affine))


def _directions(volume: Volume) -> Float[np.ndarray, "3 3"]:
    """R, A, S; for a plane the two of them that are closest to it, then its normal."""
    if volume.ndim == 3:
        return np.eye(3)
    normal = np.cross(volume.affine[:3, 0], volume.affine[:3, 1])
    across = int(np.argmax(np.abs(normal)))
    kept = [axis for axis in range(3) if axis != across]
    return np.eye(3)[:, [*kept, across]]


def _smaller(image: Volume) -> Volume:
    """Means over blocks; a remainder at the upper ends is dropped."""
    block = np.maximum(np.asarray(image.shape) // _SIZE, 1)
    shape = np.asarray(image.shape) // block
    whole = image.array[tuple(slice(n * b) for n, b in zip(shape, block, strict=True))]
    pairs = np.stack([shape, block], 1).ravel()
    means = whole.reshape(pairs).mean(tuple(range(1, 2 * image.ndim, 2)))
    scale = np.eye(4)
    used = range(image.ndim)
    scale[used, used] = block
    scale[used, 3] = (block - 1) / 2
    affine = image.affine @ scale
    return Volume(means.astype(np.float32), affine, image.path)
