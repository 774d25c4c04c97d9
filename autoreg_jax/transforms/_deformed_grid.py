"""A regular grid of the moving image, deformed with it: a picture of a transform."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from autoreg_jax.geometry import Grid, slice_axis, slice_grid
from autoreg_jax.transforms.links import Link, map_points

__all__ = ["deformed_grid"]

# Squares across the longer side, and the width of their lines in pixels.
_SQUARES, _WIDTH = 16, 0.7
# Pixels of the longer side: lines need more of them than images.
_PIXELS = 240
# Seen on white and on black.
_GREY = 128


def deformed_grid(
    links: Sequence[Link], grid: Grid
) -> UInt8[np.ndarray, "rows columns 4"]:
    """Draw the lines on which a coordinate of φ(p) is a multiple of a step.

    Args:
        links: Of the transform.
        grid: Where it is drawn: in the middle slice.

    Returns:
        Red, green, blue and opacity; nothing but the lines is opaque.

    Raises:
        TransformError: If an inverse displacement cannot be solved for.
    """
    cut = slice_axis(grid)
    index = 0 if cut is None else grid.shape[cut] // 2
    plane = slice_grid(grid, index, pixels=_PIXELS)
    # A picture of a coarse grid needs as many pixels as that of a fine one.
    factor = max(1, _PIXELS // max(plane.shape[:2]))
    points = _finer(plane, factor)
    mapped = plane.to_voxels(map_points(links, points.reshape(-1, 3)))
    mapped = factor * (mapped[:, :2].reshape(*points.shape[:2], 2) + 0.5) - 0.5
    step = max(points.shape[:2]) / _SQUARES
    distance = np.abs(mapped - step * np.rint(mapped / step))
    if min(points.shape[:2]) > 1:
        # The lines are as wide where the map is steep.
        slopes = np.linalg.norm(np.gradient(mapped, axis=(0, 1)), axis=0)
        distance = distance / np.maximum(slopes, 1e-3)
    nearest = distance.min(axis=-1)
    picture = np.full((*nearest.shape, 4), _GREY, np.uint8)
    picture[..., 3] = np.rint(255 * np.clip(1 + _WIDTH - nearest, 0, 1))
    return picture


def _finer(plane: Grid, factor: int) -> np.ndarray:
    """World positions of the pixels, each cut in `factor` by `factor`."""
    rows, columns = (
        (np.arange(factor * size) + 0.5) / factor - 0.5 for size in plane.shape[:2]
    )
    index = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1)
    if plane.ndim == 3:
        index = np.pad(index, ((0, 0), (0, 0), (0, 1)))
    return plane.to_world(index)
