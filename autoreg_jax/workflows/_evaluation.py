"""The result of an evaluation: a row a structure, a summary, two files."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autoreg_jax.errors import ArtifactError
from autoreg_jax.runtime import read_json, write_json, write_text

_TEXTS = ("fixed", "moving", "structure")
_SCORES = ("dice_before", "dice", "dice_refined")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores on pairs that neither search nor training has seen.

    Attributes:
        summary: As in evaluation.json: `{"mean", "sd"}` over the pairs of each score,
            where Dice is first averaged over the structures of a pair.
        rows: One for each pair and structure, as in evaluation.csv: fixed, moving,
            structure, dice_before, dice, dice_refined (NaN where it is not defined).
    """

    summary: dict[str, Any]
    rows: list[dict[str, Any]]

    def write(self, run: Path) -> None:
        """Write evaluation.csv, then evaluation.json, each at once or not at all."""
        text = io.StringIO()
        columns: list[str] = [*_TEXTS, *_SCORES]
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for row in self.rows:
            texts = {name: row[name] for name in _TEXTS}
            scores = {n: f"{row[n]:.6f}" for n in _SCORES if _is_known(row.get(n))}
            writer.writerow(texts | scores)
        write_text(run / "evaluation.csv", text.getvalue())
        write_json(run / "evaluation.json", self.summary)


def read_evaluation(run: Path | str) -> Evaluation:
    """Read the evaluation of a run.

    Args:
        run: Folder of the run.

    Returns:
        What `evaluate` wrote.

    Raises:
        ArtifactError: If a file is missing or damaged.
    """
    run = Path(run)
    summary = read_json(run / "evaluation.json")
    try:
        text = (run / "evaluation.csv").read_text(encoding="utf-8")
        rows = [
            {n: v if n in _TEXTS else float(v or "nan") for n, v in row.items()}
            for row in csv.DictReader(text.splitlines())
        ]
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(
            f"{run / 'evaluation.csv'}: cannot be read ({error}); run the evaluation "
            "again."
        ) from error
    return Evaluation(summary, rows)


def mean_and_sd(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and sample standard deviation (None for one value), NaN left out."""
    known = np.asarray([value for value in values if math.isfinite(value)])
    return {
        "mean": float(known.mean()) if known.size else None,
        "sd": float(known.std(ddof=1)) if known.size > 1 else None,
    }


def _is_known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
