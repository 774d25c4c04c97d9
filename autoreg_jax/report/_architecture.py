"""The searched architecture and loss weights as tables and sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from autoreg_jax.report._heatmap import probabilities
from autoreg_jax.report._words import (
    CELLS,
    FIXED_OPERATIONS,
    OPERATIONS,
    SCALES,
    WEIGHTS,
)


@dataclass(frozen=True)
class CellRow:
    """One cell of the searched network.

    Attributes:
        cell: Its name.
        operations: The three chosen operations in words, each with its probability in
            percent or None.
    """

    cell: str
    operations: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True)
class WeightRow:
    """One loss weight: name, value at the start (None if unknown) and at the end."""

    name: str
    start: float | None
    end: float


def last_alpha(records: Sequence[Mapping[str, Any]]) -> Mapping[str, ArrayLike] | None:
    """Take the newest α of both kinds from the records, or None."""
    for record in reversed(records):
        alpha = record.get("alpha")
        if alpha and all(kind in alpha for kind in CELLS):
            return alpha
    return None


def chosen_operations(
    genotype: Mapping[str, Mapping[str, Sequence[str]]],
    alpha: Mapping[str, ArrayLike] | None,
) -> list[CellRow]:
    """Spell out the operation on each edge, with its probability where known."""
    names, words = list(OPERATIONS), OPERATIONS | FIXED_OPERATIONS
    rows = []
    for kind, kind_words in CELLS.items():
        shares = None if alpha is None else probabilities(alpha[kind])
        for scale, (key, scale_words) in enumerate(SCALES.items()):
            cells = []
            for edge, name in enumerate(genotype[kind][key]):
                percent = None
                if shares is not None and name in names:
                    percent = 100 * shares[scale, edge, names.index(name)]
                cells.append((words.get(name, name), percent))
            rows.append(CellRow(f"{kind_words}, {scale_words}", tuple(cells)))
    return rows


def decision_sentence(alpha: Mapping[str, ArrayLike]) -> str:
    """Say how decided the search is: the mean entropy over edges, in plain words.

    Examples:
        >>> zeros = np.zeros((2, 3, 8))
        >>> decision_sentence({"feature": zeros, "deformation": zeros})[:43]
        'The mean entropy over the 12 edges is 1.000'
    """
    maps = [probabilities(alpha[kind]) for kind in CELLS]
    count = maps[0].shape[-1]
    shares = np.concatenate(maps).reshape(-1, count)
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
        f"largest possible (1 = all {count} operations equally likely, 0 = one is "
        f"certain), as if {np.exp(entropy):.1f} of the {count} operations were still "
        f"in play; {verdict}. All probabilities lie between {100 * shares.min():.1f} "
        f"and {100 * shares.max():.1f} %; no preference would be {100 / count:.3g} %."
    )


def loss_weights(objective: Mapping[str, Any]) -> list[WeightRow]:
    """List λ at the start and at the end of its search."""
    start = objective.get("lam_start") or {}
    return [
        WeightRow(WEIGHTS.get(key) or key, start.get(key), weight)
        for key, weight in objective.get("lam", {}).items()
    ]
