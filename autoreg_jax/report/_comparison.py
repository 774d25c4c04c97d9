"""Figures of the studies: methods, estimators and ablations side by side."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autoreg_jax.report._style import (
    BEFORE,
    INK,
    MUTED,
    NETWORK,
    REFINED,
    new_figure,
    tidy,
)
from autoreg_jax.report.slices import choose_planes, edges, frame_slice, show_image

_MARKERS = "osD^v"
_COLOURS = (NETWORK, REFINED, INK, "#009e73", MUTED)
_SMALLEST = 1e-12  # so that exact estimates are visible on a logarithmic axis


def error_against_cost(
    points: Mapping[str, tuple[float, float]], *, cost: str = "seconds a call"
) -> Figure:
    """Draw the relative error of each estimator against its cost; low and left is best.

    Args:
        points: Cost and relative error by name, both >= 0.
        cost: Label of the cost, with its unit.

    Returns:
        The figure.
    """
    figure = new_figure(7.2, 0.19 * max(len(points), 18) + 0.4, layout="constrained")
    axes = figure.add_subplot()
    # A legend rather than labels: many points nearly coincide.
    for number, (name, (price, error)) in enumerate(points.items()):
        place = max(price, _SMALLEST), max(error, _SMALLEST)
        axes.plot(
            *place,
            linestyle="",
            marker=_MARKERS[number % 5],
            color=_COLOURS[number // 5 % 5],
            alpha=0.85,
            label=name,
        )
    axes.set(xscale="log", yscale="log", xlabel=cost, ylabel="relative error")
    tidy(axes)
    if points:
        figure.legend(fontsize=8, frameon=False, loc="outside right upper")
    return figure


def error_curves(
    x: Sequence[float], curves: Mapping[str, Sequence[float]], label: str
) -> Figure:
    """Draw relative errors against a setting: the probe ε, or the number K of terms.

    Args:
        x: Values of the setting, positive.
        curves: Errors at these values, by name.
        label: Name of the setting.

    Returns:
        The figure.
    """
    figure = new_figure(6.0, 3.2, layout="constrained")
    axes = figure.add_subplot()
    for number, (name, errors) in enumerate(curves.items()):
        shown = [max(error, _SMALLEST) for error in errors]
        style = ("o-", "s--", "^:")[number % 3]
        axes.plot(x, shown, style, color=(NETWORK, MUTED)[number % 2], label=name)
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="relative error")
    axes.legend(fontsize=8, frameon=False)
    tidy(axes)
    return figure


def ablation_means(
    columns: Mapping[str, Sequence[float]],
    random: Sequence[float],
    *,
    label: str = "Dice (1 = perfect overlap)",
) -> Figure:
    """Draw the mean of each column over the band of random genotypes.

    A dot is one model, the bar the mean of its column. The dark band is the mean ±
    standard deviation of the random genotypes, the light one their range: a difference
    inside of it could be chance.

    Args:
        columns: Scores of the models, one per seed, by name of the column.
        random: Scores of random genotypes; without any there is no band.
        label: Label of the vertical axis.

    Returns:
        The figure.

    Raises:
        ValueError: If a column has no scores.
    """
    if any(len(scores) == 0 for scores in columns.values()):
        raise ValueError("every column needs a score.")
    figure = new_figure(1.6 + 1.1 * len(columns), 3.6, layout="constrained")
    axes = figure.add_subplot()
    tidy(axes)
    axes.grid(visible=False, axis="x")
    if len(random):
        mean = float(np.mean(random))
        axes.axhspan(min(random), max(random), color=BEFORE, alpha=0.2, linewidth=0)
        if len(random) > 1:
            spread = float(np.std(random, ddof=1))
            axes.axhspan(
                mean - spread, mean + spread, color=BEFORE, alpha=0.4, linewidth=0
            )
        axes.axhline(mean, color=MUTED, linewidth=1, label="random genotypes")
        axes.legend(fontsize=8, frameon=False, loc="best")
    for place, scores in enumerate(columns.values()):
        axes.plot([place] * len(scores), scores, "o", color=NETWORK, markersize=4)
        level = float(np.mean(scores))
        axes.plot([place - 0.3, place + 0.3], [level, level], color=INK, linewidth=1.6)
    axes.set_xticks(range(len(columns)), [name.replace(", ", "\n") for name in columns])
    axes.set_xlim(-0.6, len(columns) - 0.4)
    axes.set_ylabel(label, fontsize=9, color=INK)
    return figure


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
