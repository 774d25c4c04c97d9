"""Values between voxels.

A transform is applied by the rule of ITK, see `sample`. The training images, and what a
network or an optimisation compares, come to a working grid by `resample`, which fades
to zero at the border.
"""

import itertools
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Num
from scipy import ndimage

from autoreg_jax.geometry._grid import Grid
from autoreg_jax.geometry._volume import Volume

__all__ = [
    "Interpolation",
    "displacement_on",
    "is_inside",
    "resample",
    "sample",
    "sample_edge",
    "sample_world",
]

Interpolation = Literal["linear", "nearest", "label"]

# A hundredth of a voxel is rounding, not a coarser grid.
_SAME_SPACING = 0.01
# Full width at half maximum of a Gaussian in units of its standard deviation.
_FWHM = 2.355


def is_inside(
    index: Float[np.ndarray, "*n d"], shape: tuple[int, ...]
) -> Bool[np.ndarray, "*n"]:
    """Whether voxel coordinates are at most half a voxel beyond the outermost ones."""
    return np.all((index >= -0.5) & (index < np.asarray(shape) - 0.5), axis=-1)


def sample_edge(
    array: Num[np.ndarray, "*space"], index: Float[np.ndarray, "*n d"]
) -> Float[np.ndarray, "*n"]:
    """Linear interpolation; outside of the grid the value at its edge holds."""
    where = np.moveaxis(index, -1, 0)
    return ndimage.map_coordinates(array, where, np.float64, order=1, mode="nearest")


def sample(
    array: Num[np.ndarray, "*space"],
    index: Float[np.ndarray, "*n d"],
    interpolation: Interpolation = "linear",
    *,
    fill: float = 0,
) -> Num[np.ndarray, "*n"]:
    """Values of an image or a label map at voxel coordinates, by the rule of ITK.

    Up to half a voxel beyond the outermost centres the value at the edge holds, farther
    out there is nothing: `fill` for an image or a label map, no displacement for a
    displacement field. ITK, ANTs and Slicer do the same, so that a transform has the
    same effect there and here. Whatever applies a transform follows this rule.

    Args:
        array: Values of the voxels.
        index: Voxel coordinates.
        interpolation: "linear"; "nearest"; "label" for the label with the largest
            linear share, the smallest label of equal ones.
        fill: Value outside.

    Returns:
        Values in the type of the array; whole numbers are rounded.

    Raises:
        ValueError: If the interpolation is unknown.
    """
    if interpolation not in get_args(Interpolation):
        raise ValueError(
            'interpolation must be "linear", "nearest" or "label", got '
            f"{interpolation!r}."
        )
    inside = is_inside(index, array.shape)
    if interpolation == "linear":
        values = sample_edge(array, index)
        if array.dtype.kind in "iub":
            values = np.rint(values)
        return np.where(inside, values, fill).astype(array.dtype)
    found = np.full(inside.shape, fill, array.dtype)
    within = np.clip(index[inside], 0, np.asarray(array.shape) - 1)
    if interpolation == "nearest":
        found[inside] = array[tuple(np.floor(within + 0.5).astype(int).T)]
    else:
        found[inside] = _vote(array, within)
    return found


def resample(
    volume: Volume, grid: Grid, *, order: int = 1
) -> Num[np.ndarray, "*space"]:
    """A volume on another grid of the same world; itself, if it is on that grid.

    Where the new grid is coarser an image is smoothed first, to the width of a new
    voxel, so that thin structures do not turn into noise. Unlike `sample`, which has a
    step there, it fades to zero within the voxel beyond its border.

    Args:
        volume: The image, or a label map.
        grid: The grid.
        order: 1 for an image, linear; 0 for a label map, the nearest voxel.

    Returns:
        Array on the grid, in the type of the volume, zero outside of it.
    """
    if volume.grid.matches(grid):
        return volume.array
    matrix = grid.index_matrix(volume.grid)
    step = np.linalg.norm(matrix[:-1, :-1], axis=1)
    sigma = np.sqrt(np.maximum(step**2 - 1, 0)) / _FWHM
    array = volume.array
    if order and np.any(step > 1 + _SAME_SPACING):
        array = ndimage.gaussian_filter(array, sigma, mode="nearest", truncate=3)
    return ndimage.affine_transform(
        array, matrix, output_shape=grid.shape, order=order, mode="grid-constant"
    )


def sample_world(
    volume: Volume, points: Float[np.ndarray, "*n 3"]
) -> Num[np.ndarray, "*n"]:
    """Linear interpolation at world positions that fades to zero as `resample` does."""
    index = np.moveaxis(volume.grid.to_voxels(points), -1, 0)
    # "constant" would lose a border voxel to a rounding error of 1e-16.
    return ndimage.map_coordinates(volume.array, index, order=1, mode="grid-constant")


def displacement_on(
    displacement: Float[np.ndarray, "*space d"], working: Grid, grid: Grid
) -> Float[np.ndarray, "*grid_space 3"]:
    """A displacement in voxels of a working grid, as world vectors on another grid.

    Args:
        displacement: u in voxels of the working grid.
        working: The working grid.
        grid: Grid of the result, of the same world.

    Returns:
        u in mm along R, A, S; beyond the working grid its edge is repeated.
    """
    vectors = working.vectors_to_world(displacement)
    if working.matches(grid):
        return vectors
    matrix = grid.index_matrix(working)
    found = np.empty((*grid.shape, 3), vectors.dtype)
    for axis in range(3):
        ndimage.affine_transform(
            vectors[..., axis],
            matrix,
            output_shape=grid.shape,
            output=found[..., axis],
            order=1,
            mode="nearest",
        )
    return found


def _vote(
    array: Num[np.ndarray, "*space"], index: Float[np.ndarray, "n d"]
) -> Num[np.ndarray, " n"]:
    """The label with the largest linear share, the smallest one of equal shares.

    The same as one-hot coding, linear interpolation and the largest, but the cost does
    not depend on the number of labels: only those of the neighbours compete.

    Args:
        array: Labels of the voxels.
        index: Voxel coordinates between 0 and the last voxels.
    """
    low = np.floor(index).astype(int)
    part = index - low
    last = np.asarray(array.shape) - 1
    labels, weights = [], []
    for corner in itertools.product((0, 1), repeat=array.ndim):
        labels.append(array[tuple(np.minimum(low + corner, last).T)])
        weights.append(np.prod(np.where(corner, part, 1 - part), axis=1))
    best = labels[0]
    best_share = np.full(len(index), -1.0)
    for candidate in labels:
        pairs = zip(labels, weights, strict=True)
        share = sum(weight * (label == candidate) for label, weight in pairs)
        # Equal shares differ by rounding.
        equal = np.abs(share - best_share) < 1e-9
        wins = np.where(equal, candidate < best, share > best_share)
        best = np.where(wins, candidate, best)
        best_share = np.where(wins, share, best_share)
    return best
