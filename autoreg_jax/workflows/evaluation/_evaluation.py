"""The result of an evaluation: rows per structure, rows per pair, a summary."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autoreg_jax.display import number
from autoreg_jax.files import read_json, read_scores, write_json, write_scores
from autoreg_jax.inference import Trust
from autoreg_jax.report import evaluation_html
from autoreg_jax.runtime import RunFolder
from autoreg_jax.workflows.evaluation._trust import NOT_FINITE

SUFFIXES = ("_before", "", "_refined")
# Scores of every structure; scores of the displacement, meaningless before it.
STRUCTURE_SCORES = ("dice", "hd95", "assd")
_OF_FIELD = ("folding_fraction", "log_jacobian_std", "learn2reg_log_jacobian_std")


class PairScores(NamedTuple):
    """Scores and times of one pair of named subjects.

    Scores are before, after the network and, if refined, after refinement; seconds
    those of the network, and of network and refinement. The trust is that of the last
    displacement, None if that is not finite.
    """

    fixed: str
    moving: str
    scores: list[dict[str, np.ndarray]]
    seconds: list[float]
    trust: Trust | None

    @property
    def flags(self) -> tuple[str, ...]:
        """What is unusual about the pair, in words."""
        return (NOT_FINITE,) if self.trust is None else self.trust.flags


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

    Scores of several structures or landmarks are averaged, NaN left out.
    """
    return [
        {"fixed": pair.fixed, "moving": pair.moving} | _means(pair) for pair in pairs
    ]


def summary(pairs: Sequence[PairScores], *, is_simulated: bool) -> dict[str, Any]:
    """The content of evaluation.json: mean and standard deviation of each score.

    Args:
        pairs: Pairs with the same scores.
        is_simulated: Whether the subjects are simulated.

    Returns:
        `pairs`, `simulated`, `{"mean", "sd"}` for each column of `cases`,
        `structures_without_distance` (and `_before`, `_refined`: structures of all
        pairs that are missing in one map and so have no distance), `trust_flags` (the
        pairs about which something is unusual, and what) and `peak_memory_bytes`.
    """
    rows = [_means(pair) for pair in pairs]
    content: dict[str, Any] = {"pairs": len(pairs), "simulated": is_simulated}
    content |= {name: mean_and_sd([row[name] for row in rows]) for name in rows[0]}
    if "hd95" in pairs[0].scores[0]:
        for suffix, *found in zip(SUFFIXES, *(p.scores for p in pairs), strict=False):
            empty = sum(int(np.isnan(one["hd95"]).sum()) for one in found)
            content[f"structures_without_distance{suffix}"] = empty
    content["trust_flags"] = [
        {"fixed": pair.fixed, "moving": pair.moving, "flags": list(pair.flags)}
        for pair in pairs
        if pair.flags
    ]
    content["peak_memory_bytes"] = _peak_memory()
    return content


def _means(pair: PairScores) -> dict[str, float]:
    """Scores and times of a pair, one number each, by name and suffix."""
    found = {
        name + suffix: _mean(value)
        for suffix, scores in zip(SUFFIXES, pair.scores, strict=False)
        for name, value in scores.items()
        if not (name in _OF_FIELD and suffix == "_before")
    }
    times = zip(SUFFIXES[1:], pair.seconds, strict=False)
    found |= {f"seconds_per_pair{suffix}": value for suffix, value in times}
    return found | {"trust": math.nan if pair.trust is None else pair.trust.value}


def _mean(values: np.ndarray) -> float:
    """Mean of the finite values; NaN if there are none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan


def mean_and_sd(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and sample standard deviation of the finite values, None if undefined."""
    known = np.asarray([value for value in values if math.isfinite(value)])
    return {
        "mean": float(known.mean()) if known.size else None,
        "sd": float(known.std(ddof=1)) if known.size > 1 else None,
    }


def _peak_memory() -> int | None:
    """Largest resident size of this process so far; None if unknown."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


_TEXTS = ("fixed", "moving", "structure")
_SCORES = [score + suffix for score in STRUCTURE_SCORES for suffix in SUFFIXES]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores on pairs that neither search nor training has seen.

    Attributes:
        summary: Content of evaluation.json: `{"mean", "sd"}` of each score over the
            pairs; Dice is first averaged over the structures of a pair. `model` is the
            digest of the model's weights.
        rows: Rows of evaluation.csv, one for each pair and structure: fixed, moving,
            structure, dice_before, dice, dice_refined, and likewise hd95 and assd in mm
            (NaN where not defined).
        pairs: Rows of evaluation_pairs.csv, one for each pair: fixed, moving and the
            scores of the summary.
    """

    summary: dict[str, Any]
    rows: list[dict[str, Any]]
    pairs: list[dict[str, Any]] = field(default_factory=list)

    def __repr__(self) -> str:
        found = [f"{self.summary.get('pairs', len(self.pairs))} pairs"]
        for name, value in self.summary.items():
            if isinstance(value, dict) and "mean" in value:
                found.append(f"{name} {number(value['mean'])}")
        return f"Evaluation({', '.join(found)})"

    def _repr_html_(self) -> str:
        """Scores before and after, and the worst pairs, for notebooks."""
        return evaluation_html(self.summary, self.pairs)

    def write(self, run: Path) -> None:
        """Write the tables, then evaluation.json, each file atomically."""
        folder = RunFolder(run)
        write_scores(folder.structure_scores, [*_TEXTS, *_SCORES], self.rows)
        columns = list(self.pairs[0]) if self.pairs else list(_TEXTS[:2])
        write_scores(folder.pair_scores, columns, self.pairs)
        write_json(folder.evaluation, self.summary, is_sealed=True)


def read_evaluation(run: Path | str) -> Evaluation:
    """Read the evaluation of a run.

    Args:
        run: Folder of the run.

    Returns:
        The result of `evaluate`; without pairs if an earlier version wrote none.

    Raises:
        ArtifactError: If a file is missing or damaged.
    """
    folder = RunFolder(run)
    summary = read_json(folder.evaluation)
    rows, pairs = read_scores(folder.structure_scores, _TEXTS), []
    if folder.pair_scores.exists():
        pairs = read_scores(folder.pair_scores, _TEXTS[:2])
    return Evaluation(summary, rows, pairs)
