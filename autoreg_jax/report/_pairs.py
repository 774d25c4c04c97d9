"""Choose which pairs of a run to show: best, median and worst by Dice."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer

from autoreg_jax.report._run import Pair


@dataclass(frozen=True)
class ShownPair:
    """A pair and why it is shown.

    Attributes:
        pair: The images.
        role: `Best`, `Median`, `Worst`, or empty where the Dice is unknown.
        dice_before, dice: Mean Dice of its structures, NaN where unknown.
    """

    pair: Pair
    role: str
    dice_before: float
    dice: float


def mean_dice(
    first: Integer[np.ndarray, "*space"], second: Integer[np.ndarray, "*space"]
) -> float:
    """Mean Dice of the structures that occur in either of two label maps.

    Examples:
        >>> mean_dice(np.array([1, 1, 0]), np.array([1, 0, 0]))
        0.6666666666666666
    """
    values = np.union1d(first[first > 0], second[second > 0])
    if not len(values):
        return math.nan
    return float(
        np.mean(
            [
                2
                * np.sum((first == value) & (second == value))
                / (np.sum(first == value) + np.sum(second == value))
                for value in values
            ]
        )
    )


def select_pairs(pairs: Sequence[Pair], limit: int = 3) -> list[ShownPair]:
    """Pick the pairs to show.

    Args:
        pairs: All pairs that were stored.
        limit: How many to show where the Dice is unknown.

    Returns:
        Best, median and worst by the Dice after registration where label maps allow
        it (fewer if there are fewer pairs), else the first `limit`.
    """
    shown = [ShownPair(pair, "", *_dice(pair)) for pair in pairs]
    if not all(math.isfinite(item.dice) for item in shown) or len(shown) < 2:
        return shown[:limit]
    ranked = sorted(shown, key=lambda item: -item.dice)
    roles = {0: "Best", len(ranked) // 2: "Median", len(ranked) - 1: "Worst"}
    if len(ranked) == 2:
        roles = {0: "Best", 1: "Worst"}
    return [
        ShownPair(ranked[rank].pair, role, ranked[rank].dice_before, ranked[rank].dice)
        for rank, role in roles.items()
    ]


def _dice(pair: Pair) -> tuple[float, float]:
    if pair.fixed_labels is None:
        return math.nan, math.nan
    before, after = (
        math.nan if labels is None else mean_dice(pair.fixed_labels, labels)
        for labels in (pair.moving_labels, pair.moved_labels)
    )
    return before, after
