"""The scores of many pairs as rows and as a summary."""

import math
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

SUFFIXES = ("_before", "", "_refined")
# Scores of every structure, and those that say nothing where nothing has moved.
STRUCTURE_SCORES = ("dice", "hd95", "assd")
_OF_FIELD = ("folding_fraction", "log_jacobian_std", "learn2reg_log_jacobian_std")


class PairScores(NamedTuple):
    """What was measured on one pair.

    Attributes:
        fixed: Name of the fixed subject.
        moving: Name of the moving one.
        scores: Before, after the network and, where there is one, after refinement.
        seconds: Of the network, and of network and refinement.
    """

    fixed: str
    moving: str
    scores: list[dict[str, np.ndarray]]
    seconds: list[float]


def structures(
    pairs: Sequence[PairScores], names: Sequence[str]
) -> list[dict[str, Any]]:
    """One dictionary for each pair and structure, as in evaluation.csv."""
    return [
        {"fixed": pair.fixed, "moving": pair.moving, "structure": name}
        | {
            score + suffix: float(found[score][place])
            for score in STRUCTURE_SCORES
            for suffix, found in zip(SUFFIXES, pair.scores, strict=False)
        }
        for pair in pairs
        for place, name in enumerate(names)
    ]


def cases(pairs: Sequence[PairScores]) -> list[dict[str, Any]]:
    """One dictionary for each pair, as in evaluation_pairs.csv.

    A score of several structures or landmarks is their mean, without those that have
    none.
    """
    return [
        {"fixed": pair.fixed, "moving": pair.moving} | _means(pair) for pair in pairs
    ]


def summary(pairs: Sequence[PairScores], *, is_simulated: bool) -> dict[str, Any]:
    """What evaluation.json holds: mean and spread over the pairs of each score.

    Args:
        pairs: All of them have the same scores.
        is_simulated: The subjects were generated.

    Returns:
        `pairs`, `simulated`, `{"mean", "sd"}` for each column of `cases`,
        `structures_without_distance` (and `_before`, `_refined`; over all pairs, those
        that are empty in one map and so have neither HD95 nor ASSD) and
        `peak_memory_bytes`.
    """
    rows = [_means(pair) for pair in pairs]
    content: dict[str, Any] = {"pairs": len(pairs), "simulated": is_simulated}
    content |= {name: mean_and_sd([row[name] for row in rows]) for name in rows[0]}
    if "hd95" in pairs[0].scores[0]:
        for suffix, *found in zip(SUFFIXES, *(p.scores for p in pairs), strict=False):
            empty = sum(int(np.isnan(one["hd95"]).sum()) for one in found)
            content[f"structures_without_distance{suffix}"] = empty
    content["peak_memory_bytes"] = _peak_memory()
    return content


def _means(pair: PairScores) -> dict[str, float]:
    """Every score and time of a pair as one number, by its name and suffix."""
    found = {
        name + suffix: _mean(value)
        for suffix, scores in zip(SUFFIXES, pair.scores, strict=False)
        for name, value in scores.items()
        if not (name in _OF_FIELD and suffix == "_before")
    }
    times = zip(SUFFIXES[1:], pair.seconds, strict=False)
    return found | {f"seconds_per_pair{suffix}": value for suffix, value in times}


def _mean(values: np.ndarray) -> float:
    """Mean of what is there; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan


def mean_and_sd(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and sample standard deviation (None for one value), NaN left out."""
    known = np.asarray([value for value in values if math.isfinite(value)])
    return {
        "mean": float(known.mean()) if known.size else None,
        "sd": float(known.std(ddof=1)) if known.size > 1 else None,
    }


def _peak_memory() -> int | None:
    """Largest resident size of this process so far; None where it is not known."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
