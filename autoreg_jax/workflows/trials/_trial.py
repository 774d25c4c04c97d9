"""One setting of a run that is tried, and what came out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autoreg_jax.errors import ArtifactError
from autoreg_jax.search_space import Genotype

SCORES = ("dice", "soft_dice", "landmarks", "mind")
"""What a trial can be judged by, higher is better: mean Dice of the structures; the
same of label maps that are warped linearly; minus the distance of landmarks, mm; minus
the difference of MIND descriptors with a penalty for folds."""


@dataclass(frozen=True, eq=False)
class Trial:
    """A candidate of a search: changes of the settings, trained as they say.

    Attributes:
        name: Of its folder and in tables.
        changes: Settings by dotted names that differ from those of the run.
        genotype: The operation of each edge; None for that of the run.
        seed: Of weights and pairs; None for that of the run.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    genotype: Genotype | None = None
    seed: int | None = None

    def describe(self) -> str:
        """The changes in words.

        Examples:
            >>> Trial("3", {"train.learning_rate": 0.06}).describe()
            'train.learning_rate=0.06'
        """
        words = [f"{name}={_word(value)}" for name, value in self.changes.items()]
        words += ["other operations"] if self.genotype is not None else []
        words += [] if self.seed is None else [f"seed={self.seed}"]
        return ", ".join(words) or "as set"


def _word(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(list(value)) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True, eq=False)
class Outcome:
    """A trial after some steps.

    Attributes:
        trial: The trial.
        steps: Steps that it was trained.
        scores: Values of `SCORES`, as far as there are labels or landmarks, for each
            validation pair.
        seconds: Of a step, compilation not counted.
        folding: Percentage of folded voxels, the mean over the pairs.
        diverged: Why its weights are useless; empty if they are not.
        is_too_dear: Whether it was left before, since its steps take too long; there
            are no scores.
    """

    trial: Trial
    steps: int
    scores: Mapping[str, np.ndarray]
    seconds: float = 0.0
    folding: float = 0.0
    diverged: str = ""
    is_too_dear: bool = False

    def mean(self, judge: str | None) -> float:
        """Mean score by a judge, or by the one that every dataset has."""
        scores = self.scores.get(judge or SCORES[0], self.scores["mind"])
        return float(np.nanmean(scores))


def outcome_of(trial: Trial, record: Mapping[str, Any]) -> Outcome:
    """What a record of the scores of a trial says.

    Raises:
        ArtifactError: If it is damaged.
    """
    try:
        scores = {name: np.asarray(v, float) for name, v in record["scores"].items()}
        numbers = scores, float(record["seconds"]), float(record["folding"])
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"trial {trial.name}: its scores in metrics.jsonl are damaged ({error!r}); "
            "restore the file, or search again."
        ) from error
    why, is_too_dear = record.get("diverged", ""), record.get("is_too_dear", False)
    return Outcome(
        trial, record.get("done", record["step"]), *numbers, why, is_too_dear
    )
