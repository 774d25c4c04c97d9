"""What a weight of the smoothness wins and costs: a table and a figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from autoreg_jax.report._style import INK, NETWORK, REFINED, new_figure, tidy

_SERIES = {"": ("network", NETWORK, "s"), "_refined": ("refined", REFINED, "D")}
# What is paid, to the right in each plot: name, label, factor.
_PRICES = (
    ("folding_fraction", "folded voxels, %", 100.0),
    ("log_jacobian_std", "SD of the log Jacobian determinant", 1.0),
)


@dataclass(frozen=True)
class FrontRow:
    """One row of the table, NaN where a score was not measured.

    Attributes:
        smoothness: Factor on the smoothness, and the word "refined" for a refinement.
        dice: Mean Dice.
        ncc: Mean local correlation.
        folding: Folded voxels, percent.
        spread: Standard deviation of the logarithm of the Jacobian determinant.
    """

    smoothness: str
    dice: float
    ncc: float
    folding: float
    spread: float


def front_rows(front: Mapping[str, Any]) -> list[FrontRow]:
    """The rows of smoothness.json, those of a refinement behind the others."""
    return [
        FrontRow(
            f"{row['smoothness']:g}" + " refined" * bool(suffix),
            _mean(row, f"dice{suffix}"),
            _mean(row, f"ncc{suffix}"),
            100 * _mean(row, f"folding_fraction{suffix}"),
            _mean(row, f"log_jacobian_std{suffix}"),
        )
        for suffix in _SERIES
        for row in front["rows"]
        if f"ncc{suffix}" in row
    ]


def front_figure(front: Mapping[str, Any]) -> Figure:
    """Draw Dice, or the correlation, against folding and the spread of volume change.

    Args:
        front: Content of smoothness.json.

    Returns:
        Two plots; a point is a weight of the smoothness and has its factor beside it.
    """
    rows: Sequence[Mapping[str, Any]] = front["rows"]
    gain, label = "ncc", "local correlation"
    if all(np.isfinite(_mean(row, "dice")) for row in rows):
        gain, label = "dice", "Dice"
    figure = new_figure(11, 3.6, layout="constrained")
    plots = figure.subplots(1, len(_PRICES), sharey=True)
    for axes, (price, words, scale) in zip(plots, _PRICES, strict=True):
        tidy(axes)
        for suffix, (name, colour, marker) in _SERIES.items():
            if not all(gain + suffix in row for row in rows):
                continue
            paid = [scale * _mean(row, price + suffix) for row in rows]
            won = [_mean(row, gain + suffix) for row in rows]
            axes.plot(paid, won, marker=marker, color=colour, label=name, ms=4)
            for row, *place in zip(rows, paid, won, strict=True):
                axes.annotate(
                    f"{row['smoothness']:g}",
                    place,
                    xytext=(4, 4),
                    textcoords="offset points",
                    fontsize=8,
                    color=colour,
                )
        axes.set_xlabel(words, fontsize=8.5, color=INK)
    plots[0].set_xlim(left=0)  # there is no less than no fold
    plots[0].set_ylabel(label, fontsize=8.5, color=INK)
    plots[0].legend(fontsize=8.5, frameon=False)
    return figure


def _mean(row: Mapping[str, Any], name: str) -> float:
    found = row.get(name, {}).get("mean")
    return float("nan") if found is None else float(found)
