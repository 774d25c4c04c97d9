"""The result of an evaluation: a row a structure, a row a pair, a summary."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import read_json, write_json, write_text
from autoreg_jax.runtime import RunFolder
from autoreg_jax.workflows.evaluation._tables import STRUCTURE_SCORES, SUFFIXES

_TEXTS = ("fixed", "moving", "structure")
_SCORES = [score + suffix for score in STRUCTURE_SCORES for suffix in SUFFIXES]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores on pairs that neither search nor training has seen.

    Attributes:
        summary: As in evaluation.json: `{"mean", "sd"}` over the pairs of each score,
            where Dice is first averaged over the structures of a pair.
        rows: One for each pair and structure, as in evaluation.csv: fixed, moving,
            structure, dice_before, dice, dice_refined, the same of hd95 and assd in mm
            (NaN where it is not defined).
        pairs: One for each pair, as in evaluation_pairs.csv: fixed, moving and what
            the summary is the mean of.
    """

    summary: dict[str, Any]
    rows: list[dict[str, Any]]
    pairs: list[dict[str, Any]] = field(default_factory=list)

    def write(self, run: Path) -> None:
        """Write the tables, then evaluation.json, each at once or not at all."""
        folder = RunFolder(run)
        write_text(folder.structure_scores, _table([*_TEXTS, *_SCORES], self.rows))
        columns = list(self.pairs[0]) if self.pairs else list(_TEXTS[:2])
        write_text(folder.pair_scores, _table(columns, self.pairs))
        write_json(folder.evaluation, self.summary)


def read_evaluation(run: Path | str) -> Evaluation:
    """Read the evaluation of a run.

    Args:
        run: Folder of the run.

    Returns:
        What `evaluate` wrote; no pairs where an earlier version wrote none.

    Raises:
        ArtifactError: If a file is missing or damaged.
    """
    folder = RunFolder(run)
    summary = read_json(folder.evaluation)
    pairs = _read(folder.pair_scores) if folder.pair_scores.exists() else []
    return Evaluation(summary, _read(folder.structure_scores), pairs)


def _table(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    """CSV text; a number that is not known is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.6f}" if math.isfinite(value) else ""


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        return [
            {n: v if n in _TEXTS else float(v or "nan") for n, v in row.items()}
            for row in csv.DictReader(text.splitlines())
        ]
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error}); run the evaluation again."
        ) from error
