"""The result of an evaluation: rows per structure, rows per pair, a summary."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoreg_jax.files import read_json, read_scores, write_json, write_scores
from autoreg_jax.runtime import RunFolder
from autoreg_jax.workflows.evaluation._tables import STRUCTURE_SCORES, SUFFIXES

_TEXTS = ("fixed", "moving", "structure")
_SCORES = [score + suffix for score in STRUCTURE_SCORES for suffix in SUFFIXES]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores on pairs that neither search nor training has seen.

    Attributes:
        summary: Content of evaluation.json: `{"mean", "sd"}` of each score over the
            pairs; Dice is first averaged over the structures of a pair.
        rows: Rows of evaluation.csv, one for each pair and structure: fixed, moving,
            structure, dice_before, dice, dice_refined, and likewise hd95 and assd in mm
            (NaN where not defined).
        pairs: Rows of evaluation_pairs.csv, one for each pair: fixed, moving and the
            scores of the summary.
    """

    summary: dict[str, Any]
    rows: list[dict[str, Any]]
    pairs: list[dict[str, Any]] = field(default_factory=list)

    def write(self, run: Path) -> None:
        """Write the tables, then evaluation.json, each file atomically."""
        folder = RunFolder(run)
        write_scores(folder.structure_scores, [*_TEXTS, *_SCORES], self.rows)
        columns = list(self.pairs[0]) if self.pairs else list(_TEXTS[:2])
        write_scores(folder.pair_scores, columns, self.pairs)
        write_json(folder.evaluation, self.summary)


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
