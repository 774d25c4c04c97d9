"""Dice of every structure before and after registration."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from autoreg_jax.report._style import (
    BEFORE,
    INK,
    NETWORK,
    REFINED,
    RULE,
    box,
    new_figure,
    shorten,
    tidy,
)

STEPS = {
    "dice_before": ("before", BEFORE, "o"),
    "dice": ("network", NETWORK, "s"),
    "dice_refined": ("refined", REFINED, "D"),
}

# Beyond this, single pairs no longer tell anything that the box does not.
_MAX_DOTS = 40


def dice_by_structure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the Dice of each structure before, after the network, after refinement.

    A box holds the middle half of the pairs, its line the median, the whiskers all
    pairs; single pairs are dots while there are few. Structures are sorted by the
    median after the last step, best on top.

    Args:
        rows: A row per pair and structure as in `evaluation.csv`: `structure` and
            any of `dice_before`, `dice`, `dice_refined`, in [0, 1], NaN if unknown.

    Returns:
        Figure with one group of boxes a structure.

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

    figure = new_figure(
        11, 1.1 + len(names) * (0.16 + 0.13 * len(steps)), layout="constrained"
    )
    axes = figure.subplots()
    tidy(axes)
    axes.grid(visible=False, axis="y")
    pitch = 0.78 / len(steps)
    for order, step in enumerate(steps):
        _, colour, marker = STEPS[step]
        shift = ((len(steps) - 1) / 2 - order) * pitch
        for place, name in enumerate(names):
            values = scores[step][name]
            if not len(values):
                continue
            box(axes, values, place + shift, 0.7 * pitch, colour)
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
    for place in range(1, len(names)):
        axes.axhline(place - 0.5, color=RULE, linewidth=0.6)
    axes.set_yticks(range(len(names)), [shorten(name) for name in names])
    for text in axes.get_yticklabels():
        text.set_parse_math(False)
    axes.set_ylim(-0.55, len(names) - 0.45)
    axes.set_xlabel("Dice (1 = perfect overlap)", fontsize=9, color=INK)
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


def _scores(rows: Sequence[Mapping[str, Any]], name: str, step: str) -> np.ndarray:
    values = np.asarray(
        [row.get(step, np.nan) for row in rows if str(row["structure"]) == name],
        dtype=float,
    )
    return values[np.isfinite(values)]
