"""Figures of the studies: estimators by error and cost, and the ablation."""

from collections.abc import Mapping, Sequence

import numpy as np
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
