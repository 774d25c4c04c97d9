"""Draw one slice of a volume into axes measured in mm."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from autoreg_jax.report._planes import Plane
from autoreg_jax.report._style import GRID

Dash = tuple[float, tuple[float, float] | None]


def frame_slice(
    axes: Axes, plane: Plane, extents: np.ndarray, sizes: np.ndarray
) -> None:
    """Set the limits in mm, the true proportions and the direction of each axis."""
    limits = [
        (-sizes[axis] / 2, extents[axis] - sizes[axis] / 2)
        for axis in (plane.horizontal, plane.vertical)
    ]
    axes.set_xlim(limits[0][::-1] if plane.flip_horizontal else limits[0])
    axes.set_ylim(limits[1][::-1] if plane.flip_vertical else limits[1])
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#c3cad3")


def _mm(plane: Plane, image: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, ...]:
    """Positions of the voxel centres of a slice, mm from the first voxel."""
    return tuple(
        np.arange(count) * sizes[axis]
        for count, axis in zip(
            image.shape, (plane.horizontal, plane.vertical), strict=True
        )
    )


def show_image(
    axes: Axes, plane: Plane, array: np.ndarray, sizes: np.ndarray, **options
) -> None:
    """Draw the slice of a volume; options go to `imshow`."""
    image = plane.take(array)
    x, y = _mm(plane, image, sizes)
    across, up = sizes[plane.horizontal] / 2, sizes[plane.vertical] / 2
    axes.imshow(
        image.T,
        origin="lower",
        extent=(x[0] - across, x[-1] + across, y[0] - up, y[-1] + up),
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
    """Draw the border of every structure that the slice shows."""
    image = plane.take(labels)
    x, y = _mm(plane, image, sizes)
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
    x, y = _mm(plane, image, sizes)
    levels = np.arange(np.ceil(image.min() / step), np.ceil(image.max() / step)) * step
    levels = levels[levels > image.min()]
    if len(levels):
        axes.contour(
            x, y, image.T, levels=levels, colors=GRID, linewidths=0.8, linestyles="-"
        )


def mark_sides(axes: Axes, sides: tuple[str, str, str, str]) -> None:
    """Write the patient side beside each edge."""
    spots = ((0.03, 0.5), (0.97, 0.5), (0.5, 0.03), (0.5, 0.97))
    aligns = (("left", "center"), ("right", "center"), ("center", "bottom"))
    for letter, (x, y), (ha, va) in zip(
        sides, spots, (*aligns, ("center", "top")), strict=True
    ):
        axes.text(
            x, y, letter, transform=axes.transAxes, ha=ha, va=va, color="white",
            fontsize=8.5, fontweight="bold",
            path_effects=[withStroke(linewidth=2, foreground="black")],
        )  # fmt: skip
