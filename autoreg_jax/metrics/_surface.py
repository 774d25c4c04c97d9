"""How far the surfaces of two label maps lie apart, in millimetres."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage


class SurfaceDistances(NamedTuple):
    """Distances of every structure, NaN where it is empty in one of the maps.

    Attributes:
        hd95: 95th percentile Hausdorff distance, `(k,)`, mm.
        assd: Average symmetric surface distance, `(k,)`, mm.
    """

    hd95: Float[np.ndarray, " k"]
    assd: Float[np.ndarray, " k"]


def surface_distances(
    fixed_labels: Int[np.ndarray, "*space"],
    moved_labels: Int[np.ndarray, "*space"],
    num_classes: int,
    spacing: Sequence[float],
) -> SurfaceDistances:
    """HD95 and ASSD of every foreground class.

    The surface of a structure is made of the centres of those of its voxels that have
    a face neighbour outside of it; what is beyond the grid is outside. For each surface
    voxel the distance to the nearest surface voxel of the other map is taken, exactly
    and in millimetres. With D(A, B) the distances from A to B:

    HD95 = max(95th percentile of D(A, B), 95th percentile of D(B, A))
    ASSD = (sum of D(A, B) + sum of D(B, A)) / (|A| + |B|)

    Percentiles interpolate linearly, as `numpy.percentile` does. On the host; a
    structure costs about the volume of the box around it.

    Args:
        fixed_labels: Class index of every voxel, 0 is background.
        moved_labels: The same for the moved labels, same shape.
        num_classes: Number of classes, background included.
        spacing: Size of a voxel along each axis, mm.

    Returns:
        Entry i is of class i + 1.

    Raises:
        ValueError: If the shapes differ, or there is not one spacing for each axis.

    Examples:
        >>> fixed = np.array([[0, 1, 1, 0, 0]])
        >>> moved = np.array([[0, 0, 0, 1, 1]])
        >>> surface_distances(fixed, moved, 2, (1.0, 3.0))
        SurfaceDistances(hd95=array([5.85]), assd=array([4.5]))
    """
    fixed_labels, moved_labels = np.asarray(fixed_labels), np.asarray(moved_labels)
    if fixed_labels.shape != moved_labels.shape or len(spacing) != fixed_labels.ndim:
        raise ValueError(
            f"label maps of shape {fixed_labels.shape} and {moved_labels.shape} and "
            f"the spacing {tuple(spacing)} do not match."
        )
    pairs = [
        _structure(fixed_labels == index, moved_labels == index, spacing)
        for index in range(1, num_classes)
    ]
    values = np.asarray(pairs, np.float64).reshape(-1, 2)
    return SurfaceDistances(values[:, 0], values[:, 1])


def _structure(
    fixed: Bool[np.ndarray, "*space"],
    moved: Bool[np.ndarray, "*space"],
    spacing: Sequence[float],
) -> tuple[float, float]:
    """HD95 and ASSD of one structure."""
    if not (fixed.any() and moved.any()):
        return np.nan, np.nan
    # The distance transform pays for every voxel: keep those around the structure.
    places = np.argwhere(fixed | moved)
    box = tuple(map(slice, places.min(0), places.max(0) + 1))
    fixed, moved = _surface(fixed[box]), _surface(moved[box])
    there, back = (
        np.asarray(
            ndimage.distance_transform_edt(np.logical_not(target), sampling=spacing)
        )[points]
        for points, target in ((fixed, moved), (moved, fixed))
    )
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return float(hd95), float(np.mean(np.concatenate([there, back])))


def _surface(mask: Bool[np.ndarray, "*space"]) -> Bool[np.ndarray, "*space"]:
    return mask & np.logical_not(ndimage.binary_erosion(mask))
