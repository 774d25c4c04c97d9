"""Values between voxels, by the rules of ITK.

Up to half a voxel beyond the outermost centres the value at the edge holds, farther
out there is nothing. ITK and ANTs do the same, so that a transform has the same effect
here and there.
"""

import itertools
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Num
from scipy import ndimage

Interpolation = Literal["linear", "nearest", "label"]


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
    interpolation: Interpolation,
    fill: float = 0,
) -> Num[np.ndarray, "*n"]:
    """Values of an image or a label map at voxel coordinates.

    Args:
        array: Values of the voxels.
        index: Voxel coordinates.
        interpolation: "linear"; "nearest"; "label" for the label with the largest
            linear share, the smallest label of equal ones.
        fill: What lies outside.

    Returns:
        Values in the type of the array.
    """
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
        found[inside] = vote(array, within)
    return found


def vote(
    array: Num[np.ndarray, "*space"], index: Float[np.ndarray, "n d"]
) -> Num[np.ndarray, " n"]:
    """Let the voxels around each place vote with their linear weights.

    The same as one-hot coding, linear interpolation and the largest, but the cost does
    not depend on the number of labels: only those of the neighbours compete.

    Args:
        array: Labels of the voxels.
        index: Voxel coordinates between 0 and the last voxels.

    Returns:
        The label with the largest share, the smallest one of equal shares.
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
