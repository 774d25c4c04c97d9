"""Several methods side by side: their Dice, and what they did to one pair."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from autoreg_jax.report._planes import Plane, choose_planes
from autoreg_jax.report._slice import frame_slice, show_image
from autoreg_jax.report._style import INK, RULE, box, new_figure, shorten, tidy

_COLUMNS = ("moved", "difference", "field")
_WIDTH = 0.8  # of the boxes of a structure, the distance of two being 1


def method_boxes(scores: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Draw the Dice of every structure, a box a method (paper Fig. 4).

    A box holds the middle half of the pairs, its line the median, the whiskers all
    pairs.

    Args:
        scores: Dice of the pairs, in [0, 1], NaN where unknown: by structure, then by
            method.

    Returns:
        The figure, structures from top to bottom as given.

    Raises:
        ValueError: If there are no scores.
    """
    methods = list(dict.fromkeys(name for some in scores.values() for name in some))
    if not methods:
        raise ValueError("no method has a Dice.")
    colours = dict(zip(methods, _palette(len(methods)), strict=True))
    height = 1.4 + len(scores) * (0.2 + 0.12 * len(methods))
    figure = new_figure(11, height, layout="constrained")
    axes = figure.subplots()
    tidy(axes)
    axes.grid(visible=False, axis="y")
    pitch = _WIDTH / len(methods)
    for place, some in enumerate(scores.values()):
        for order, name in enumerate(methods):
            values = np.asarray(some.get(name, ()), float)
            values = values[np.isfinite(values)]
            if values.size:
                position = place - _WIDTH / 2 + (order + 0.5) * pitch
                box(axes, values, position, 0.75 * pitch, colours[name])
        if place:
            axes.axhline(place - 0.5, color=RULE, linewidth=0.6)
    axes.set_yticks(range(len(scores)), [shorten(name) for name in scores])
    for text in axes.get_yticklabels():
        text.set_parse_math(False)
    axes.set_ylim(len(scores) - 0.45, -0.55)
    axes.set_xlabel("Dice (1 = perfect overlap)", fontsize=9, color=INK)
    handles = [Patch(color=colour, label=name) for name, colour in colours.items()]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=6, fontsize=8, frameon=False
    )
    return figure


def method_panels(
    fixed: Float[np.ndarray, "*space"],
    moving: Float[np.ndarray, "*space"],
    moved: Mapping[str, Float[np.ndarray, "*space"]],
    displacements: Mapping[str, Float[np.ndarray, "*space d"]],
    spacing: Sequence[float],
    affine: Float[np.ndarray, "4 4"] | None = None,
) -> Figure:
    """Draw one slice of a pair under every method (paper Fig. 5).

    The first row shows the fixed image, the moving image and their difference; each
    other row a moved image, what is left of the difference, and the displacement with
    its components as red, green and blue on one scale for all.

    Args:
        fixed: Fixed image, `(x, y, z)` or `(x, y)`.
        moving: The same shape.
        moved: Moving image on the fixed grid, by method.
        displacements: u, voxels, by method.
        spacing: mm.
        affine: Voxel to world mm RAS+; see `registration_panel`.

    Returns:
        The figure.

    Raises:
        ValueError: If there is no method, or the methods of the two mappings differ.
    """
    if not moved or set(moved) != set(displacements):
        raise ValueError("moved and displacements need the same methods, one at least.")
    sizes = np.asarray(spacing, float)
    plane = choose_planes(fixed, None, affine)[0]
    before = fixed - moving
    largest = max(float(np.percentile(np.abs(before), 99.5)), 1e-6)
    fields = {name: u * sizes for name, u in displacements.items()}
    reach = max(1e-6, *(float(np.percentile(np.abs(u), 99)) for u in fields.values()))
    extents = np.array(fixed.shape) * sizes
    ratio = extents[plane.vertical] / extents[plane.horizontal]
    figure = new_figure(7, 2.3 * ratio * (len(moved) + 1) + 0.4, layout="constrained")
    grid = figure.subplots(len(moved) + 1, len(_COLUMNS), squeeze=False)

    def grey(axes: Axes, image: np.ndarray) -> None:
        show_image(axes, plane, image, sizes, cmap="gray", vmin=0, vmax=1)

    def signed(axes: Axes, image: np.ndarray) -> None:
        limits = {"vmin": -largest, "vmax": largest}
        show_image(axes, plane, image, sizes, cmap="RdBu_r", **limits)

    grey(grid[0, 0], fixed)
    grey(grid[0, 1], moving)
    signed(grid[0, 2], before)
    for axes, title in zip(grid[0], ("fixed", "moving", "difference"), strict=True):
        axes.set_title(title, fontsize=9, color=INK)
    for row, (name, image) in zip(grid[1:], moved.items(), strict=True):
        grey(row[0], image)
        signed(row[1], fixed - image)
        _colours(row[2], plane, fields[name], extents, sizes, reach)
        row[0].set_ylabel(name, fontsize=9, color=INK)
    for axes, title in zip(grid[1], _COLUMNS, strict=True):
        axes.set_title(title, fontsize=9, color=INK)
    for axes in grid.flat:
        frame_slice(axes, plane, extents, sizes)
    return figure


def _palette(count: int) -> list[Any]:
    """Colours that differ, up to twenty of them."""
    colours = matplotlib.colormaps["tab10" if count <= 10 else "tab20"]
    return [colours(place % colours.N) for place in range(count)]


def _colours(
    axes: Axes,
    plane: Plane,
    field: np.ndarray,
    extents: np.ndarray,
    sizes: np.ndarray,
    reach: float,
) -> None:
    """A vector field in mm, its components as red, green and blue; grey is zero."""
    channels = [plane.take(field[..., axis]).T for axis in range(field.shape[-1])]
    channels += [np.zeros_like(channels[0])] * (3 - len(channels))
    image = np.clip(0.5 + 0.5 * np.stack(channels, -1) / reach, 0, 1)
    ends = []
    for axis in (plane.horizontal, plane.vertical):
        ends += [-sizes[axis] / 2, extents[axis] - sizes[axis] / 2]
    axes.imshow(image, origin="lower", extent=(ends[0], ends[1], ends[2], ends[3]))
