"""Figure of an ablation: what each part adds, and what chance would have added."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from autoreg_jax.report._style import BEFORE, INK, MUTED, NETWORK, new_figure, tidy


def ablation_means(
    columns: Mapping[str, Sequence[float]],
    random: Sequence[float],
    *,
    label: str = "Dice (1 = perfect overlap)",
) -> Figure:
    """Draw the mean of each column over the band of random genotypes.

    A dot is one model, the bar the mean of its column. The dark band is the mean ±
    standard deviation of the random genotypes, the light one reaches from the worst to
    the best of them: what lies inside could be chance.

    Args:
        columns: Scores of the models, one a seed, by name of the column.
        random: Scores of random genotypes; an empty one draws no band.
        label: Of the vertical axis.

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
