"""Tables of scores as CSV files."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autoreg_jax.errors import ArtifactError
from autoreg_jax.files._write import write_text


def write_scores(
    path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write a table of texts and scores, as `write_file` does.

    Args:
        path: CSV file.
        columns: Names, in order.
        rows: Texts, and numbers with six digits; a missing or infinite number or NaN
            is an empty cell.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    write_text(path, text.getvalue())


def read_scores(path: Path | str, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Read a table that `write_scores` wrote.

    Args:
        path: CSV file.
        texts: The columns that hold texts; all others hold numbers.

    Returns:
        A mapping for each row; an empty number is NaN.

    Raises:
        ArtifactError: If the file cannot be read, a column of `texts` is missing, or a
            cell is not a number.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        reader = csv.DictReader(lines)
        if missing := sorted(set(texts) - set(reader.fieldnames or ())):
            raise ValueError(f"column {', '.join(missing)} is missing")
        return [
            {n: v if n in texts else float(v or "nan") for n, v in row.items()}
            for row in reader
        ]
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error}); run `autoreg evaluate` again."
        ) from error


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.6f}" if math.isfinite(value) else ""
