"""Several methods on one pair: moved images, differences, displacements."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autoreg_jax.report._slices import choose_planes, edges, frame_slice, show_image
from autoreg_jax.report._style import INK, new_figure

_COLUMNS = ("moved", "difference", "field")


def method_panels(
    fixed: Float[np.ndarray, "*space"],
    moving: Float[np.ndarray, "*space"],
    moved: Mapping[str, Float[np.ndarray, "*space"]],
    displacements: Mapping[str, Float[np.ndarray, "*space d"]],
    spacing: Sequence[float],
    affine: Float[np.ndarray, "4 4"] | None = None,
) -> Figure:
    """Draw one slice of a pair for every method (paper Fig. 5).

    The first row shows the fixed image, the moving image and their difference; each
    other row a moved image, the remaining difference, and the displacement with its
    components in mm as red, green and blue on one scale for all, grey being zero.

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
    shape = fixed.shape
    left, right, low, high = edges(plane, shape, sizes)
    ratio = (high - low) / (right - left)
    figure = new_figure(7, 2.3 * ratio * (len(moved) + 1) + 0.4, layout="constrained")
    grid = figure.subplots(len(moved) + 1, len(_COLUMNS), squeeze=False)

    def grey(axes: Axes, image: np.ndarray) -> None:
        show_image(axes, plane, image, sizes, cmap="gray", vmin=0, vmax=1)

    def signed(axes: Axes, image: np.ndarray) -> None:
        limits = {"vmin": -largest, "vmax": largest}
        show_image(axes, plane, image, sizes, cmap="RdBu_r", **limits)

    def colours(axes: Axes, field: np.ndarray) -> None:
        channels = [plane.take(field[..., axis]).T for axis in range(field.shape[-1])]
        channels += [np.zeros_like(channels[0])] * (3 - len(channels))
        image = np.clip(0.5 + 0.5 * np.stack(channels, -1) / reach, 0, 1)
        axes.imshow(image, origin="lower", extent=(left, right, low, high))

    grey(grid[0, 0], fixed)
    grey(grid[0, 1], moving)
    signed(grid[0, 2], before)
    for row, (name, image) in zip(grid[1:], moved.items(), strict=True):
        grey(row[0], image)
        signed(row[1], fixed - image)
        colours(row[2], fields[name])
        row[0].set_ylabel(name, fontsize=9, color=INK)
    titles = ("fixed", "moving", "difference", *_COLUMNS)
    for axes, title in zip(grid[:2].flat, titles, strict=True):
        axes.set_title(title, fontsize=9, color=INK)
    for axes in grid.flat:
        frame_slice(axes, plane, shape, sizes)
    return figure
