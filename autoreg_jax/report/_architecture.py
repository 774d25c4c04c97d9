"""The searched architecture and loss weights: heat maps, tables, a sentence."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from autoreg_jax.config import parse
from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.report._style import INK, MUTED, NETWORK, PAPER, REFINED, new_figure
from autoreg_jax.report._words import (
    CELLS,
    FIXED_OPERATIONS,
    OPERATIONS,
    SCALES,
    WEIGHTS,
)
from autoreg_jax.search_space import ArchitectureLogits, Genotype

# From nothing to the colour of the network, on a page of any colour.
_PREFERENCE = LinearSegmentedColormap.from_list("", [f"{NETWORK}00", NETWORK])


@dataclass(frozen=True)
class CellRow:
    """One cell of the searched network.

    Attributes:
        cell: Its name.
        operations: The chosen operations in words, each with its probability in
            percent or None, and what is known of the margin of the choice, or nothing.
    """

    cell: str
    operations: tuple[tuple[str, float | None, str], ...]


@dataclass(frozen=True)
class WeightRow:
    """One loss weight: name, value at the start (None if unknown) and at the end."""

    name: str
    start: float | None
    end: float


def last_alpha(records: Sequence[Mapping[str, Any]]) -> Mapping[str, ArrayLike] | None:
    """The latest α of both kinds in the records, or None."""
    for record in reversed(records):
        alpha = record.get("alpha")
        if alpha and all(kind in alpha for kind in CELLS):
            return alpha
    return None


def searched_operations(config: str | None) -> tuple[str, ...]:
    """The operations that α weighs, in the order of its last axis.

    Args:
        config: Text of `config.yaml`; all operations if it does not name them.

    Raises:
        ArtifactError: If the text is not YAML.

    Examples:
        >>> searched_operations("network: {operations: [conv_5, conv_3]}")
        ('conv_3', 'conv_5')
    """
    try:
        settings = parse(config or "", "config.yaml")
        names = settings.get("network", {}).get("operations", OPERATIONS)
        return tuple(name for name in OPERATIONS if name in names)
    except (ConfigError, AttributeError, TypeError) as error:
        raise ArtifactError(
            f"config.yaml: has no settings ({error}); restore it, or run again."
        ) from None


def set_sentence(
    genotype: Mapping[str, Mapping[str, Sequence[str]]] | None,
    operations: Sequence[str],
) -> str:
    """Say that there was one operation to choose from; empty if there were more."""
    if genotype is None:
        return ""
    used = {k: {n for cell in genotype[k].values() for n in cell} for k in CELLS}
    if len(operations) > 1 or used["deformation"] != {*operations}:
        return ""
    is_fixed = used["feature"] != {*operations}
    where = " of the deformation cells" if is_fixed else ""
    words = OPERATIONS.get(operations[0], operations[0])
    return f"Not searched: each edge{where} has the operation that was set ({words})."


def chosen_operations(
    genotype: Mapping[str, Mapping[str, Sequence[str]]],
    alpha: Mapping[str, ArrayLike] | None,
    operations: Sequence[str] = tuple(OPERATIONS),
    notes: Mapping[tuple[str, str, int], str] | None = None,
) -> list[CellRow]:
    """The operation on each edge in words, with its probability where known.

    `operations` are those that α weighs, in the order of its last axis; `notes` are
    those on single edges, by kind, scale and number.
    """
    names, words = list(operations), OPERATIONS | FIXED_OPERATIONS
    rows = []
    for kind, kind_words in CELLS.items():
        shares = None if alpha is None else probabilities(alpha[kind])
        for scale, (key, chosen) in enumerate(_in_order(genotype[kind])):
            cells = []
            for edge, name in enumerate(chosen):
                percent = None
                if shares is not None and name in names:
                    percent = 100 * shares[scale, edge, names.index(name)]
                note = (notes or {}).get((kind, key, edge), "")
                cells.append((words.get(name, name), percent, note))
            rows.append(CellRow(f"{kind_words}, {SCALES[key]}", tuple(cells)))
    return rows


def _in_order(
    cells: Mapping[str, Sequence[str]],
) -> list[tuple[str, Sequence[str]]]:
    """The cells of a kind with their scales, the finest first."""
    return [(scale, cells[scale]) for scale in SCALES if scale in cells]


def decision_sentence(alpha: Mapping[str, ArrayLike]) -> str:
    """Describe how decided the search is: the mean entropy over edges, in words.

    Examples:
        >>> zeros = np.zeros((2, 3, 8))
        >>> decision_sentence({"feature": zeros, "deformation": zeros})[:43]
        'The mean entropy over the 12 edges is 1.000'
    """
    maps = [probabilities(alpha[kind]) for kind in CELLS]
    count = maps[0].shape[-1]
    shares = np.concatenate([values.reshape(-1, count) for values in maps])
    # The limit of p log p at 0 is 0; a probability may underflow.
    entropy = -np.sum(shares * np.log(np.maximum(shares, 1e-300)), axis=-1).mean()
    relative = entropy / np.log(count)
    if relative > 0.98:
        verdict = "the search has hardly any preference yet: the choice is a narrow one"
    elif relative > 0.7:
        verdict = "the search has a preference, but a mild one"
    else:
        verdict = "the search has a clear preference"
    return (
        f"The mean entropy over the {len(shares)} edges is {relative:.3f} of the "
        f"largest possible (1: all {count} operations equally likely, 0: one is "
        f"certain), equivalent to {np.exp(entropy):.1f} of {count} operations; "
        f"{verdict}. All probabilities are between {100 * shares.min():.1f} and "
        f"{100 * shares.max():.1f} %; without a preference each is {100 / count:.3g} %."
    )


def loss_weights(objective: Mapping[str, Any]) -> list[WeightRow]:
    """λ at the start and at the end of its search."""
    start = objective.get("lam_start") or {}
    return [
        WeightRow(WEIGHTS.get(key) or key, start.get(key), weight)
        for key, weight in objective.get("lam", {}).items()
    ]


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
    alpha: ArchitectureLogits | Mapping[str, ArrayLike],
    genotype: Genotype | Mapping[str, Mapping[str, Sequence[str]]] | None,
    operations: Sequence[str] = tuple(OPERATIONS),
) -> Figure:
    """Draw softmax(α) of both kinds of cell with the chosen operations framed.

    One map for the feature and one for the deformation cells: a row for each operation,
    a column for each edge, those at 1/2 of the resolution first.

    Args:
        alpha: The α of a search, or logits `(scale, edge, operation)` under `feature`
            and `deformation`, scale 0 = half, 1 = quarter resolution, and so on.
        genotype: The one of a search, or the contents of `genotype.json`; None draws no
            frames.
        operations: Those that α weighs, in the order of its last axis.

    Returns:
        Figure with two maps and a colour bar.

    Raises:
        ValueError: If the shape of a map is not (scales, edges, operations), or if the
            genotype names an unknown operation.

    References:
        AutoReg, Fig. 3.
    """
    names = list(operations)
    logits = alpha._asdict() if isinstance(alpha, ArchitectureLogits) else alpha
    cells = (
        json.loads(genotype.to_json()) if isinstance(genotype, Genotype) else genotype
    )
    maps = {kind: probabilities(logits[kind]) for kind in CELLS}
    for kind, values in maps.items():
        if values.ndim != 3 or values.shape[-1] != len(names):
            raise ValueError(
                f"alpha[{kind!r}] must have shape (scales, edges, {len(names)}), got "
                f"{values.shape}."
            )
    # Rounding noise must not fill the colour range when nothing has been learnt yet.
    even = 1 / len(names)
    low = min(even - 0.005, *(values.min() for values in maps.values()))
    high = max(even + 0.005, *(values.max() for values in maps.values()))

    colours = Normalize(low, high)
    widths = [math.prod(values.shape[:2]) for values in maps.values()]
    # Of a column that can hold its numbers.
    figure = new_figure(max(11, 2 + 0.75 * sum(widths)), 4.1, layout="constrained")
    plots = figure.subplots(1, 2, sharey=True, width_ratios=widths)
    for axes, (kind, values) in zip(plots, maps.items(), strict=True):
        scales, edges, count = values.shape
        columns = values.reshape(-1, count).T
        axes.imshow(columns, cmap=_PREFERENCE, norm=colours, aspect="auto")
        for (row, column), value in np.ndenumerate(columns):
            ink = "white" if value > low + 0.75 * (high - low) else INK
            text = f"{100 * value:.1f}"
            axes.text(
                column, row, text, ha="center", va="center", fontsize=8.5, color=ink
            )
        axes.set_title(CELLS[kind], fontsize=11, color=INK, pad=24)
        titles = [f"edge {1 + edge}" for _ in range(scales) for edge in range(edges)]
        axes.set_xticks(range(len(titles)), titles)
        axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        axes.tick_params(labelsize=8.5, colors=INK, length=0)
        for number, scale in zip(range(scales), SCALES.values(), strict=False):
            place = number * edges + (edges - 1) / 2
            if number:
                axes.axvline(number * edges - 0.5, color=PAPER, linewidth=5)
            axes.text(
                place, -0.62, scale, ha="center", va="bottom", fontsize=9, color=MUTED
            )
        for spine in axes.spines.values():
            spine.set_visible(False)
        for row, column in _chosen(cells, kind, names):
            corner = column - 0.47, row - 0.45
            frame = Rectangle(
                corner, 0.94, 0.9, fill=False, edgecolor=REFINED, linewidth=2.4
            )
            axes.add_patch(frame)
    bar = figure.colorbar(
        ScalarMappable(colours, _PREFERENCE),
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
    chosen = [name for _, cell in _in_order(genotype[kind]) for name in cell]
    unknown = sorted(set(chosen) - set(OPERATIONS) - set(FIXED_OPERATIONS))
    if unknown:
        raise ValueError(
            f"genotype[{kind!r}] names {unknown[0]!r}; known are "
            f"{', '.join(OPERATIONS)}."
        )
    return [
        (names.index(name), column)
        for column, name in enumerate(chosen)
        if name in names
    ]
