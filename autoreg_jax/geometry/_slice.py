"""One slice of an image as it is looked at: pixels that are square, upright."""

import numpy as np
from jaxtyping import Num

from autoreg_jax.geometry._grid import Grid

__all__ = ["fullest_slice", "slice_axis", "slice_grid"]

_WORLD = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}


def slice_axis(grid: Grid) -> int | None:
    """The axis of the array across which slices are shown.

    Args:
        grid: Of the image.

    Returns:
        The one that is nearest to up and down, so that slices are axial; None for an
        image of one plane.

    Examples:
        >>> slice_axis(Grid((4, 5, 6), np.eye(4))), slice_axis(Grid((4, 5), np.eye(4)))
        (2, None)
    """
    if grid.ndim == 2:
        return None
    return max(range(3), key=lambda axis: _WORLD[grid.axcodes[axis]])


def fullest_slice(array: Num[np.ndarray, "*space"], grid: Grid) -> int:
    """Number of the slice with the largest sum of values; 0 for one plane.

    Args:
        array: Values of an image; NaN values are ignored.
        grid: Of the image.
    """
    axis = slice_axis(grid)
    if axis is None:
        return 0
    others = tuple(i for i in range(grid.ndim) if i != axis)
    return int(np.argmax(np.nansum(array, axis=others, dtype=np.float64)))


def slice_grid(grid: Grid, index: int, *, pixels: int = 160) -> Grid:
    """The grid of a picture of one slice: rows from the top, columns from the left.

    As in radiology: the patient's right is on the left of the picture, in front or
    above is at its top; from the side, the front is on its left.

    Args:
        grid: Of the image.
        index: Slice across `slice_axis`, from 0; of no meaning for one plane.
        pixels: Most pixels along the longer side.

    Returns:
        `(rows, columns, 1)`, or `(rows, columns)` for one plane. Pixels are square but
        for rounding, and not smaller than the smallest voxel.

    Raises:
        ValueError: If there is no such slice.

    Examples:
        >>> slice_grid(Grid((40, 20, 8), np.diag([1.0, 2, 3, 1])), 4, pixels=20).shape
        (20, 20, 1)
    """
    cut = slice_axis(grid)
    if cut is not None and not 0 <= index < grid.shape[cut]:
        raise ValueError(
            f"there are slices 0 to {grid.shape[cut] - 1}, got the index {index}."
        )
    drawn = [axis for axis in range(grid.ndim) if axis != cut]
    across, down = sorted(drawn, key=lambda axis: _WORLD[grid.axcodes[axis]])
    lengths = {axis: grid.shape[axis] * grid.spacing[axis] for axis in drawn}
    pixel = max(
        max(lengths.values()) / pixels, min(grid.spacing[axis] for axis in drawn)
    )
    # From row, column and height to voxels.
    matrix, shape = np.eye(4), []
    matrix[:3, :3] = 0
    for place, axis in ((0, down), (1, across)):
        size = grid.shape[axis]
        count = max(1, round(lengths[axis] / pixel))
        step = size / count
        is_along = grid.axcodes[axis] in "LPI"
        matrix[axis, place] = step if is_along else -step
        matrix[axis, 3] = step / 2 - 0.5 if is_along else size - 0.5 - step / 2
        shape.append(count)
    if cut is None:
        matrix[2, 2] = 1
    else:
        matrix[cut, 2], matrix[cut, 3] = 1, index
        shape.append(1)
    return Grid(tuple(shape), grid.affine @ matrix, grid.space)
