"""Dice of every structure: before and after registration, or by method."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from autoreg_jax.report._style import (
    BEFORE,
    INK,
    NETWORK,
    REFINED,
    RULE,
    new_figure,
    shorten,
    tidy,
)

STEPS = {
    "dice_before": ("before", BEFORE, "o"),
    "dice": ("network", NETWORK, "s"),
    "dice_refined": ("refined", REFINED, "D"),
}

_MAX_DOTS = 40  # with more, single pairs show no more than the box
_WIDTH = 0.8  # of the boxes of a structure, the distance of two being 1


def dice_by_structure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the Dice of each structure before, after the network, after refinement.

    A box contains the middle half of the pairs, its line is the median, the whiskers
    extend to all pairs; single pairs are dots while there are few. Structures are
    sorted by the median after the last step, best on top.

    Args:
        rows: A row for each pair and structure as in `evaluation.csv`: `structure` and
            any of `dice_before`, `dice`, `dice_refined`, in [0, 1], NaN if unknown.

    Returns:
        Figure with one group of boxes for each structure.

    Raises:
        ValueError: If no row has a Dice.
    """
    names = list(dict.fromkeys(str(row["structure"]) for row in rows))
    scores = {
        step: {name: _scores(rows, name, step) for name in names} for step in STEPS
    }
    steps = [step for step in STEPS if any(len(v) for v in scores[step].values())]
    if not steps:
        raise ValueError("no row has a Dice.")
    last = scores[steps[-1]]
    names.sort(key=lambda name: np.median(last[name]) if len(last[name]) else -1.0)

    height = 1.1 + len(names) * (0.16 + 0.13 * len(steps))
    figure, axes = _structure_axes(names, height)
    pitch = 0.78 / len(steps)
    for order, step in enumerate(steps):
        _, colour, marker = STEPS[step]
        shift = ((len(steps) - 1) / 2 - order) * pitch
        for place, name in enumerate(names):
            values = scores[step][name]
            if not len(values):
                continue
            _box(axes, values, place + shift, 0.7 * pitch, colour)
            if len(values) <= _MAX_DOTS:
                axes.plot(
                    values,
                    np.full(len(values), place + shift),
                    marker,
                    markersize=2.6,
                    color=colour,
                    alpha=0.9,
                    markeredgewidth=0,
                )
    axes.set_ylim(-0.55, len(names) - 0.45)
    handles = [
        Line2D([], [], color=colour, marker=marker, linewidth=5, alpha=0.7, label=label)
        for label, colour, marker in (STEPS[step] for step in steps)
    ]
    figure.legend(
        handles=handles,
        loc="outside upper right",
        ncols=len(handles),
        fontsize=9,
        frameon=False,
    )
    return figure


def method_boxes(scores: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Draw the Dice of every structure with a box for each method (paper Fig. 4).

    A box contains the middle half of the pairs, its line is the median, the whiskers
    extend to all pairs.

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
    palette = matplotlib.colormaps["tab10" if len(methods) <= 10 else "tab20"]
    colours = {name: palette(i % palette.N) for i, name in enumerate(methods)}
    height = 1.4 + len(scores) * (0.2 + 0.12 * len(methods))
    figure, axes = _structure_axes(list(scores), height)
    pitch = _WIDTH / len(methods)
    for place, some in enumerate(scores.values()):
        for order, name in enumerate(methods):
            values = np.asarray(some.get(name, ()), float)
            values = values[np.isfinite(values)]
            if values.size:
                position = place - _WIDTH / 2 + (order + 0.5) * pitch
                _box(axes, values, position, 0.75 * pitch, colours[name])
    axes.set_ylim(len(scores) - 0.45, -0.55)
    handles = [Patch(color=colour, label=name) for name, colour in colours.items()]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=6, fontsize=8, frameon=False
    )
    return figure


def _structure_axes(names: Sequence[str], height: float) -> tuple[Figure, Axes]:
    """A figure with a row for each structure and the Dice to the right."""
    figure = new_figure(11, height, layout="constrained")
    axes = figure.subplots()
    tidy(axes)
    axes.grid(visible=False, axis="y")
    for place in range(1, len(names)):
        axes.axhline(place - 0.5, color=RULE, linewidth=0.6)
    axes.set_yticks(range(len(names)), [shorten(name) for name in names])
    for text in axes.get_yticklabels():
        text.set_parse_math(False)
    axes.set_xlabel("Dice (1 = perfect overlap)", fontsize=9, color=INK)
    return figure, axes


def _box(axes: Axes, values: Any, position: float, width: float, colour: Any) -> None:
    """Draw a horizontal box plot whose whiskers extend to the extremes."""
    axes.boxplot(
        [values],
        positions=[position],
        widths=width,
        orientation="horizontal",
        whis=(0, 100),
        showfliers=False,
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": colour, "alpha": 0.5, "edgecolor": colour},
        whiskerprops={"color": colour},
        capprops={"color": colour},
        medianprops={"color": INK, "linewidth": 1.4},
    )


def _scores(rows: Sequence[Mapping[str, Any]], name: str, step: str) -> np.ndarray:
    values = np.asarray(
        [row.get(step, np.nan) for row in rows if str(row["structure"]) == name],
        dtype=float,
    )
    return values[np.isfinite(values)]
