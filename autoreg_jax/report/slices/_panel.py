"""One registered pair: images, outlines, differences, deformation."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Integer
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from autoreg_jax.report._style import (
    FIXED_OUTLINE,
    INK,
    MOVED_OUTLINE,
    MUTED,
    new_figure,
)
from autoreg_jax.report.slices._planes import (
    Dash,
    Plane,
    choose_planes,
    draw_levels,
    draw_outlines,
    frame_slice,
    mark_sides,
    show_image,
)

TITLES = (
    "Fixed",
    "Moving",
    "Moved",
    "Difference before",
    "Difference after",
    "Deformation",
)

_LEFT, _TOP, _BOTTOM, _GAP = 0.95, 0.32, 0.62, 0.06  # inches
_SOLID = (0.0, None)
_DASHES = (0.0, (3.0, 3.0))  # as long as the gaps: two outlines that agree both show
_NUM_GRID_LINES = 16  # across the longest side: dense enough to see, apart enough


def registration_panel(  # noqa: PLR0913 - one argument an array, as a figure needs
    fixed: Float[np.ndarray, "*space"],
    moving: Float[np.ndarray, "*space"],
    moved: Float[np.ndarray, "*space"],
    displacement: Float[np.ndarray, "*space d"],
    fixed_labels: Integer[np.ndarray, "*space"] | None = None,
    moved_labels: Integer[np.ndarray, "*space"] | None = None,
    moving_labels: Integer[np.ndarray, "*space"] | None = None,
    spacing: Sequence[float] | None = None,
    affine: Float[np.ndarray, "4 4"] | None = None,
) -> Figure:
    """Draw fixed, moving and moved, differences and deformation, slice by slice.

    Three orthogonal slices in 3-D, the image itself in 2-D, at their true proportions
    in mm. Outlines of the fixed labels are solid, those of the moving or moved labels
    dashed. The grid is the regular grid of the moving image, mapped to the fixed one:
    its lines are the level sets of the components of φ(x) = x + u(x), exact within a
    slice also where the motion crosses it.

    Args:
        fixed: Fixed image, `(x, y, z)` or `(x, y)`.
        moving: Moving image.
        moved: Moving image on the fixed grid.
        displacement: u, voxels.
        fixed_labels: Integer map of the fixed image, 0 = background.
        moved_labels: Integer map of the moving image, warped.
        moving_labels: Integer map of the moving image.
        spacing: mm per array axis, 1 by default.
        affine: Voxel to world mm RAS+. Names the slices and orients them as in
            radiology; without it the axes are drawn as stored.

    Returns:
        Figure with six plots for each slice.

    Raises:
        ValueError: If an array differs from `fixed` in shape, or if `displacement` or
            `spacing` does not have one component per axis.
    """
    ndim = fixed.ndim
    sizes = np.ones(ndim) if spacing is None else np.asarray(spacing, dtype=float)
    _check_shapes(
        fixed.shape,
        sizes,
        displacement,
        moving=moving,
        moved=moved,
        fixed_labels=fixed_labels,
        moving_labels=moving_labels,
        moved_labels=moved_labels,
    )
    planes = choose_planes(fixed, fixed_labels, affine)
    before, after = fixed - moving, fixed - moved
    limit = max(float(np.percentile(np.abs(before), 99.5)), 1e-6)
    positions = np.moveaxis(np.indices(fixed.shape), 0, -1)
    phi_mm = (positions + displacement) * sizes
    step = max(np.array(fixed.shape) * sizes) / _NUM_GRID_LINES
    window, moving_window = _window(fixed), _window(moving)
    # Darker than the image itself, so that the grid is visible on bright tissue.
    dimmed = _window(moved, headroom=1.0)

    def draw(axes: Axes, plane: Plane, title: str) -> None:
        def show(image: np.ndarray, **options) -> None:
            show_image(axes, plane, image, sizes, **options)

        def outline(labels: np.ndarray | None, colour: str, dash: Dash) -> None:
            if labels is not None:
                draw_outlines(axes, plane, labels, sizes, colour, dash)

        if title == "Fixed":
            show(fixed, cmap="gray", norm=window)
            outline(fixed_labels, FIXED_OUTLINE, _SOLID)
        elif title == "Moving":
            show(moving, cmap="gray", norm=moving_window)
            outline(fixed_labels, FIXED_OUTLINE, _SOLID)
            outline(moving_labels, MOVED_OUTLINE, _DASHES)
        elif title == "Moved":
            show(moved, cmap="gray", norm=moving_window)
            outline(fixed_labels, FIXED_OUTLINE, _SOLID)
            outline(moved_labels, MOVED_OUTLINE, _DASHES)
        elif title == "Deformation":
            show(moved, cmap="gray", norm=dimmed)
            for axis in (plane.horizontal, plane.vertical):
                draw_levels(axes, plane, phi_mm[..., axis], sizes, step)
        else:
            image = before if title == "Difference before" else after
            show(image, cmap="RdBu_r", norm=Normalize(-limit, limit))

    figure = _lay_out(planes, fixed.shape, sizes, draw)
    _add_keys(figure, limit, fixed_labels is not None)
    return figure


def _check_shapes(
    shape: tuple[int, ...],
    sizes: np.ndarray,
    displacement: np.ndarray,
    **arrays: np.ndarray | None,
) -> None:
    for name, array in arrays.items():
        if array is not None and array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, fixed {shape}.")
    if displacement.shape != (*shape, len(shape)):
        raise ValueError(
            f"displacement has shape {displacement.shape}, "
            f"expected {(*shape, len(shape))}."
        )
    if sizes.shape != (len(shape),):
        raise ValueError(f"spacing needs {len(shape)} numbers, got {sizes.size}.")


def _window(image: np.ndarray, *, headroom: float = 0.0) -> Normalize:
    """Grey range of an image; `headroom` is the part left free above it."""
    low, high = np.percentile(image, (0.5, 99.5))
    width = high - low if high > low else 1.0
    return Normalize(low, low + (1 + headroom) * width)


def _lay_out(
    planes: list[Plane],
    shape: tuple[int, ...],
    sizes: np.ndarray,
    draw: Callable[[Axes, Plane, str], None],
) -> Figure:
    """Place the plots: one scale in mm for all of them, no wasted space."""
    extents = np.array(shape) * sizes
    flat = len(planes) == 1
    num_columns = 3 if flat else 6
    # A 2-D image has no slice to name at the left.
    left = _GAP if flat else _LEFT
    column = (11 - left) / num_columns - _GAP
    scale = column / max(extents[plane.horizontal] for plane in planes)
    rows = [scale * extents[plane.vertical] for plane in planes] * (2 if flat else 1)
    title_rows = len(rows) if flat else 1
    height = _TOP * title_rows + sum(rows) + _GAP * len(rows) + _BOTTOM
    figure = new_figure(11, height, layout=None)
    top = height
    for row, size in enumerate(rows):
        plane = planes[0 if flat else row]
        titled = flat or row == 0
        top -= _TOP if titled else 0
        for place in range(num_columns):
            title = TITLES[num_columns * row + place if flat else place]
            box = (left + place * (column + _GAP), top - size, column, size)
            axes = figure.add_axes(
                (box[0] / 11, box[1] / height, box[2] / 11, box[3] / height)
            )
            # In an SVG one image for each plot, text and frame above it.
            axes.set_rasterization_zorder(2.4)
            draw(axes, plane, title)
            frame_slice(axes, plane, shape, sizes)
            if titled:
                axes.set_title(title, fontsize=10, color=INK, pad=5)
            if title == "Fixed" and plane.sides is not None:
                mark_sides(axes, plane.sides)
        if not flat:
            figure.text(
                0.06 / 11,
                (top - size / 2) / height,
                plane.title,
                fontsize=8.5,
                color=INK,
                va="center",
                linespacing=1.4,
            )
        top -= size + _GAP
    return figure


def _add_keys(figure: Figure, limit: float, has_labels: bool) -> None:
    """Add the legend of the outlines and the colour bar of the differences."""
    height = figure.get_figheight()
    if has_labels:
        handles = [
            Line2D([], [], color=FIXED_OUTLINE, label="outline in the fixed image"),
            Line2D(
                [], [], color=MOVED_OUTLINE, linestyle=_DASHES,
                label="the same structure in the moving or moved image",
            ),
        ]  # fmt: skip
        figure.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(0.005, 0.08 / height),
            ncols=2,
            fontsize=8.5,
            facecolor="#30363d",
            labelcolor="white",
            framealpha=1,
        )
    bar = figure.add_axes((0.66, 0.33 / height, 0.3, 0.12 / height))
    figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), "RdBu_r"),
        cax=bar,
        orientation="horizontal",
    )
    bar.tick_params(labelsize=8, colors=INK, length=2)
    bar.text(
        -0.02, 0.5, "difference", transform=bar.transAxes, ha="right", va="center",
        fontsize=8.5, color=MUTED,
    )  # fmt: skip
