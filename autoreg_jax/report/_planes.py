"""Which slices of a volume to show, and which way up."""

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from jaxtyping import Float, Shaped

_NAMES = {"RL": "sagittal", "AP": "coronal", "SI": "axial"}
_OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}


@dataclass(frozen=True)
class Plane:
    """One slice and how it is laid on the page.

    Attributes:
        axis: Array axis that is cut, None for a 2-D image.
        index: Slice along it, from 0.
        horizontal, vertical: Array axes drawn to the right and upwards.
        flip_horizontal, flip_vertical: Whether the index falls in that direction.
        title: What the slice is, in words.
        sides: Letters at the left, right, bottom and top edge (R is the patient's
            right), None where the orientation of the file is not known.
    """

    axis: int | None
    index: int
    horizontal: int
    vertical: int
    flip_horizontal: bool
    flip_vertical: bool
    title: str
    sides: tuple[str, str, str, str] | None

    def take(self, array: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "h v"]:
        """Cut the slice out of an array, horizontal axis first."""
        image = array if self.axis is None else np.take(array, self.index, self.axis)
        return image if self.horizontal < self.vertical else image.T


def choose_planes(
    weight: Float[np.ndarray, "*space"],
    labels: Shaped[np.ndarray, "*space"] | None,
    affine: Float[np.ndarray, "4 4"] | None,
) -> list[Plane]:
    """Choose three orthogonal slices, or the whole of a 2-D image.

    With labels, each slice is the one that shows most of the structures: the largest
    Σ √area. Without, the one with most intensity. With an affine, the slices lie as
    radiologists see them (patient's right on the left of the page, front or top up);
    without one, the axes are drawn as stored.

    Args:
        weight: Image, `(x, y, z)` or `(x, y)`.
        labels: Integer map on the same grid, or None.
        affine: Voxel to world mm RAS+, or None.

    Returns:
        One plane in 2-D, three in 3-D: axial, coronal, sagittal.
    """
    codes = _codes(affine, weight.ndim)
    if weight.ndim == 2:
        return [_plane(None, 0, weight.shape, codes)]
    cuts = [2, 1, 0]
    if codes is not None:
        cuts.sort(key=lambda axis: -_world_axis(codes[axis]))
    return [
        _plane(axis, _best_slice(weight, labels, axis), weight.shape, codes)
        for axis in cuts
    ]


def _codes(
    affine: Float[np.ndarray, "4 4"] | None, ndim: int
) -> tuple[str, ...] | None:
    """Letters of the patient side to which each array axis runs, e.g. R, A, S."""
    if affine is None:
        return None
    codes = nib.aff2axcodes(np.asarray(affine, dtype=float))[:ndim]
    return None if any(code is None for code in codes) else codes


def _world_axis(code: str) -> int:
    return next(i for i, pair in enumerate(("RL", "AP", "SI")) if code in pair)


def _best_slice(
    weight: Float[np.ndarray, "*space"],
    labels: Shaped[np.ndarray, "*space"] | None,
    axis: int,
) -> int:
    others = tuple(i for i in range(weight.ndim) if i != axis)
    if labels is None or not labels.any():
        return int(np.argmax(weight.sum(axis=others)))
    structures = np.unique(labels[labels > 0])
    areas = [np.sum(labels == value, axis=others) for value in structures]
    return int(np.argmax(np.sqrt(areas).sum(axis=0)))


def _plane(
    axis: int | None,
    index: int,
    shape: Sequence[int],
    codes: tuple[str, ...] | None,
) -> Plane:
    drawn = [i for i in range(len(shape)) if i != axis]
    where = (
        "the whole image"
        if axis is None
        else f"slice {index + 1} of {shape[axis]}\nalong {'xyz'[axis]}"
    )
    if codes is None:
        horizontal, vertical = drawn
        name = f"{'xyz'[horizontal]}-{'xyz'[vertical]} plane"
        return Plane(
            axis, index, horizontal, vertical, False, False, f"{name}\n{where}", None
        )
    horizontal, vertical = sorted(drawn, key=lambda i: _world_axis(codes[i]))
    missing = ({0, 1, 2} - {_world_axis(codes[i]) for i in drawn}).pop()
    # Radiological: the patient's right (or, from the side, the front) is on the left.
    flip_horizontal = codes[horizontal] in "RA"
    flip_vertical = codes[vertical] in "PI"
    right = codes[horizontal]
    top = codes[vertical]
    right = _OPPOSITE[right] if flip_horizontal else right
    top = _OPPOSITE[top] if flip_vertical else top
    return Plane(
        axis,
        index,
        horizontal,
        vertical,
        flip_horizontal,
        flip_vertical,
        f"{list(_NAMES.values())[missing]}\n{where}",
        (_OPPOSITE[right], right, _OPPOSITE[top], top),
    )
