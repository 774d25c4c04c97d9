"""Heat maps of the searched architecture, paper Fig. 3."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from autoreg_jax.report._style import INK, MUTED, new_figure
from autoreg_jax.report._words import CELLS, FIXED_OPERATIONS, OPERATIONS, SCALES


def probabilities(logits: ArrayLike) -> Float[np.ndarray, "scale edge op"]:
    """Softmax over the operations, paper Eq. (3).

    Examples:
        >>> probabilities([[[0.0, 0.0]]]).tolist()
        [[[0.5, 0.5]]]
    """
    values = np.asarray(logits, dtype=float)
    weights = np.exp(values - values.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def alpha_heatmap(
    alpha: Mapping[str, ArrayLike],
    genotype: Mapping[str, Mapping[str, Sequence[str]]] | None,
) -> Figure:
    """Draw softmax(α) of both kinds of cell with the chosen operations framed.

    One map for the feature and one for the deformation cells: a row for each operation,
    a column for each edge (three at 1/2, three at 1/4 resolution).

    Args:
        alpha: Logits `(scale, edge, operation)` under `feature` and `deformation`,
            scale 0 = half, 1 = quarter resolution.
        genotype: Contents of `genotype.json`; None draws no frames.

    Returns:
        Figure with two maps and a colour bar.

    Raises:
        ValueError: If a map has not the shape (2, 3, operation), or if the
            genotype names an unknown operation.

    References:
        AutoReg, Fig. 3.
    """
    names = list(OPERATIONS)
    maps = {kind: probabilities(alpha[kind]) for kind in CELLS}
    for kind, values in maps.items():
        if values.shape != (2, 3, len(names)):
            raise ValueError(
                f"alpha[{kind!r}] must have shape {(2, 3, len(names))}, got "
                f"{values.shape}."
            )
    low = min(values.min() for values in maps.values())
    high = max(values.max() for values in maps.values())
    # Rounding noise must not fill the colour range when nothing has been learnt yet.
    even = 1 / len(names)
    low, high = min(low, even - 0.005), max(high, even + 0.005)

    colours = Normalize(low, high)
    figure = new_figure(11, 4.1, layout="constrained")
    plots = figure.subplots(1, 2, sharey=True)
    for axes, (kind, values) in zip(plots, maps.items(), strict=True):
        columns = values.reshape(6, len(names)).T
        axes.imshow(columns, cmap="Blues", norm=colours, aspect="auto")
        for (row, column), value in np.ndenumerate(columns):
            axes.text(
                column,
                row,
                f"{100 * value:.1f}",
                ha="center",
                va="center",
                fontsize=8.5,
                color="white" if value > low + 0.6 * (high - low) else INK,
            )
        axes.set_title(CELLS[kind], fontsize=11, color=INK, pad=24)
        axes.set_xticks(range(6), [f"edge {1 + i % 3}" for i in range(6)])
        axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        axes.tick_params(labelsize=8.5, colors=INK, length=0)
        axes.axvline(2.5, color="white", linewidth=5)
        for position, scale in zip((1, 4), SCALES.values(), strict=True):
            axes.text(
                position,
                -0.62,
                scale,
                ha="center",
                va="bottom",
                fontsize=9,
                color=MUTED,
            )
        for spine in axes.spines.values():
            spine.set_visible(False)
        for row, column in _chosen(genotype, kind, names):
            frame = Rectangle(
                (column - 0.47, row - 0.45),
                0.94,
                0.9,
                fill=False,
                edgecolor="#d55e00",
                linewidth=2.4,
            )
            axes.add_patch(frame)
    bar = figure.colorbar(
        ScalarMappable(colours, "Blues"),
        ax=list(plots),
        shrink=0.9,
        pad=0.015,
        aspect=28,
    )
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
    bar.ax.tick_params(labelsize=8.5, colors=INK)
    bar.outline.set_visible(False)
    return figure


def _chosen(
    genotype: Mapping[str, Mapping[str, Sequence[str]]] | None,
    kind: str,
    names: list[str],
) -> list[tuple[int, int]]:
    """Row and column of each operation that the genotype chose, where it has a row."""
    if genotype is None:
        return []
    chosen = [name for scale in SCALES for name in genotype[kind][scale]]
    unknown = sorted(set(chosen) - set(names) - set(FIXED_OPERATIONS))
    if unknown:
        raise ValueError(
            f"genotype[{kind!r}] names {unknown[0]!r}; known are {', '.join(names)}."
        )
    return [
        (names.index(name), column)
        for column, name in enumerate(chosen)
        if name in names
    ]
