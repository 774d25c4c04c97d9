"""Slices of a volume: which ones to show, which way up, drawn in mm."""

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from autoreg_jax.report._style import GRID

Dash = tuple[float, tuple[float, float] | None]

_NAMES = {"RL": "sagittal", "AP": "coronal", "SI": "axial"}
_OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}


@dataclass(frozen=True)
class Plane:
    """One slice and its orientation on the page.

    Attributes:
        axis: Array axis that is cut, None for a 2-D image.
        index: Slice along it, from 0.
        horizontal, vertical: Array axes drawn to the right and upwards.
        flip_horizontal, flip_vertical: Whether the index decreases in that direction.
        title: Plane and slice in words.
        sides: Letters at the left, right, bottom and top edge (R is the patient's
            right), None where the orientation of the file is unknown.
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
    """Three orthogonal slices (axial, coronal, sagittal), or the whole of a 2-D image.

    With labels, each slice is the one that shows most of the structures: the largest Σ
    √area. Without, the one with the largest sum of intensities. With an affine, the
    slices are oriented as in radiology (patient's right on the left of the page, front
    or top up); without one, the axes are drawn as stored.
    """
    codes = None
    if affine is not None:
        found = nib.aff2axcodes(np.asarray(affine, dtype=float))[: weight.ndim]
        codes = None if None in found else found
    if weight.ndim == 2:
        return [_plane(None, 0, weight.shape, codes)]
    cuts = [2, 1, 0]
    if codes is not None:
        cuts.sort(key=lambda axis: -_world_axis(codes[axis]))
    return [
        _plane(axis, _best_slice(weight, labels, axis), weight.shape, codes)
        for axis in cuts
    ]


def _world_axis(code: str) -> int:
    return next(i for i, pair in enumerate(_NAMES) if code in pair)


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
    axis: int | None, index: int, shape: Sequence[int], codes: Sequence[str] | None
) -> Plane:
    drawn = [i for i in range(len(shape)) if i != axis]
    where = "the whole image"
    if axis is not None:
        where = f"slice {index + 1} of {shape[axis]}\nalong {'xyz'[axis]}"
    if codes is None:
        across, up = drawn
        title = f"{'xyz'[across]}-{'xyz'[up]} plane\n{where}"
        return Plane(axis, index, across, up, False, False, title, None)
    across, up = sorted(drawn, key=lambda i: _world_axis(codes[i]))
    missing = ({0, 1, 2} - {_world_axis(codes[i]) for i in drawn}).pop()
    # Radiological: the patient's right (or, from the side, the front) is on the left.
    flip_across, flip_up = codes[across] in "RA", codes[up] in "PI"
    right = _OPPOSITE[codes[across]] if flip_across else codes[across]
    top = _OPPOSITE[codes[up]] if flip_up else codes[up]
    title = f"{list(_NAMES.values())[missing]}\n{where}"
    sides = (_OPPOSITE[right], right, _OPPOSITE[top], top)
    return Plane(axis, index, across, up, flip_across, flip_up, title, sides)


def edges(
    plane: Plane, shape: Sequence[int], sizes: np.ndarray
) -> tuple[float, float, float, float]:
    """Left, right, lower and upper edge of a slice, mm from the first voxel centre."""
    return tuple(
        edge * sizes[axis]
        for axis in (plane.horizontal, plane.vertical)
        for edge in (-0.5, shape[axis] - 0.5)
    )


def frame_slice(
    axes: Axes, plane: Plane, shape: Sequence[int], sizes: np.ndarray
) -> None:
    """Set the limits in mm, the true proportions and the direction of each axis."""
    left, right, low, high = edges(plane, shape, sizes)
    axes.set_xlim((right, left) if plane.flip_horizontal else (left, right))
    axes.set_ylim((high, low) if plane.flip_vertical else (low, high))
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#c3cad3")


def show_image(
    axes: Axes, plane: Plane, array: np.ndarray, sizes: np.ndarray, **options
) -> None:
    """Draw the slice of a volume; options go to `imshow`."""
    axes.imshow(
        plane.take(array).T,
        origin="lower",
        extent=edges(plane, array.shape, sizes),
        interpolation="bilinear",
        **options,
    )


def draw_outlines(
    axes: Axes,
    plane: Plane,
    labels: np.ndarray,
    sizes: np.ndarray,
    colour: str,
    dash: Dash,
) -> None:
    """Draw the border of every structure in the slice."""
    image = plane.take(labels)
    x, y = _centres(plane, image, sizes)
    for value in np.unique(image[image > 0]):
        mask = image == value
        if mask.all():
            continue
        axes.contour(
            x, y, mask.T, levels=[0.5], colors=colour, linewidths=1.0, linestyles=[dash]
        )


def draw_levels(
    axes: Axes, plane: Plane, values: np.ndarray, sizes: np.ndarray, step: float
) -> None:
    """Draw the lines along which `values` are whole multiples of `step`."""
    image = plane.take(values)
    x, y = _centres(plane, image, sizes)
    levels = np.arange(np.ceil(image.min() / step), np.ceil(image.max() / step)) * step
    levels = levels[levels > image.min()]
    if len(levels):
        axes.contour(
            x, y, image.T, levels=levels, colors=GRID, linewidths=0.8, linestyles="-"
        )


def mark_sides(axes: Axes, sides: tuple[str, str, str, str]) -> None:
    """Write the patient side beside each edge."""
    spots = ((0.03, 0.5), (0.97, 0.5), (0.5, 0.03), (0.5, 0.97))
    aligns = ("left center", "right center", "center bottom", "center top")
    for letter, (x, y), align in zip(sides, spots, aligns, strict=True):
        ha, va = align.split()
        axes.text(
            x, y, letter, transform=axes.transAxes, ha=ha, va=va, color="white",
            fontsize=8.5, fontweight="bold",
            path_effects=[withStroke(linewidth=2, foreground="black")],
        )  # fmt: skip


def _centres(plane: Plane, image: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    """Positions of the voxel centres of a slice, mm from the first voxel."""
    axes = (plane.horizontal, plane.vertical)
    return [
        np.arange(count) * sizes[axis]
        for count, axis in zip(image.shape, axes, strict=True)
    ]
