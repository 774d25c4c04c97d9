"""How far two methods differ on the same pairs."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

_RESAMPLES = 10_000
_LEVEL = 0.95


class PairedDifference(NamedTuple):
    """A method minus another over the same pairs.

    Attributes:
        mean: Of the differences.
        low, high: Bootstrap interval of that mean, 95 %.
        p_value: Of Wilcoxon's signed-rank test, two-sided.
    """

    mean: float
    low: float
    high: float
    p_value: float


UNKNOWN = PairedDifference(math.nan, math.nan, math.nan, math.nan)


def paired_difference(
    scores: Sequence[float], others: Sequence[float], *, seed: int = 0
) -> PairedDifference:
    """Compare the scores of two methods, pair by pair.

    The interval holds the middle 95 % of the means of 10,000 resamples of the
    differences; it takes the pairs for independent, which pairs that share a subject
    are not quite.

    Args:
        scores: Of one method, a number a pair; NaN is left out.
        others: Of the other, in the same order.
        seed: Of the resamples.

    Returns:
        The difference; NaN where it needs more pairs: all of it without any, the
        interval with one. A test of differences that are all zero says 1.
    """
    differences = np.asarray(scores, float) - np.asarray(others, float)
    differences = differences[np.isfinite(differences)]
    if not differences.size:
        return UNKNOWN
    mean = float(differences.mean())
    if differences.size == 1:
        return UNKNOWN._replace(mean=mean)
    rng = np.random.default_rng(seed)
    draws = rng.integers(differences.size, size=(_RESAMPLES, differences.size))
    tails = ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2)
    low, high = np.quantile(differences[draws].mean(axis=1), tails).tolist()
    p_value = 1.0
    if np.any(differences):
        tested: Any = stats.wilcoxon(differences[differences != 0])
        p_value = float(tested.pvalue)
    return PairedDifference(mean, low, high, p_value)
