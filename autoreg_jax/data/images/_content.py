"""Position, size and brightness of what an image shows."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from autoreg_jax.data.images._intensity import masked, normalize_intensity
from autoreg_jax.geometry import Grid, Volume, resample

__all__ = ["Content", "content_of", "thumbnail"]

# Voxels brighter than this fraction of the range are content, not background.
_FOREGROUND = 0.1
# Images are reduced to about so many voxels on each axis.
_SIZE = 48
# Voxels of a thumbnail on each axis.
_THUMBNAIL = 24
# Fraction of the content on each side that may be specks beside the anatomy.
_SPECKS = 0.005


@dataclass(frozen=True, eq=False)
class Content:
    """What an image shows.

    Attributes:
        small: The image with few voxels, values from 0 to 1.
        centre: Centre of mass of the content, world mm.
        low: Lower corner of its bounding box along R, A, S, world mm.
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
    """Measure an image that is not constant; positions to a voxel of `small`."""
    scaled = normalize_intensity(masked(image, mask))
    small = _smaller(Volume(scaled, image.affine, image.path))
    content = small.array > _FOREGROUND
    if not content.any():  # a few bright voxels in the dark
        content = small.array > 0
    weights = np.where(content, small.array, 0).ravel().astype(np.float64)
    ends = np.indices(small.shape).reshape(small.ndim, -1)
    world = small.affine[:3, : small.ndim] @ ends + small.affine[:3, 3:]
    # Half a voxel beyond the outermost centres.
    margin = 0.5 * np.abs(small.affine[:3, : small.ndim]).sum(1)
    inside = world[:, content.ravel()]
    low, high = np.quantile(inside, [_SPECKS, 1 - _SPECKS], axis=1)
    quantiles = np.percentile(image.array, [0.5, 50, 99.5])
    return Content(
        small=small,
        centre=world @ weights / weights.sum(),
        low=low - margin,
        high=high + margin,
        quantiles=(float(quantiles[0]), float(quantiles[1]), float(quantiles[2])),
    )


def thumbnail(content: Content, size_mm: float) -> Float[np.ndarray, "*space"]:
    """The content in a box around its centre of mass, axes along R, A, S.

    So images of the same anatomy roughly coincide, whatever their headers say. The
    result is `(24, 24, 24)`, or `(24, 24)` along the axes of the plane.
    """
    ndim = content.small.ndim
    step = size_mm / _THUMBNAIL
    affine = np.eye(4)
    affine[:3, :3] = step * _directions(content.small)
    middle = affine[:3, :ndim] @ np.full(ndim, (_THUMBNAIL - 1) / 2)
    affine[:3, 3] = content.centre - middle
    return resample(content.small, Grid((_THUMBNAIL,) * ndim, affine))


def _directions(volume: Volume) -> Float[np.ndarray, "3 3"]:
    """R, A, S; for a plane the two closest to it, then the third."""
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
    return Volume(means.astype(np.float32), image.affine @ scale, image.path)
