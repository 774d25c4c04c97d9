"""Tables of scores as CSV files."""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autoreg_jax.errors import ArtifactError
from autoreg_jax.files._write import write_text

# With apostrophes before it, so that one more can always be taken away again.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def write_scores(
    path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write a table of texts and scores, as `write_file` does.

    Args:
        path: CSV file.
        columns: Names, in order.
        rows: Texts, and numbers with six digits; a missing or infinite number or NaN
            is an empty cell. Texts are written by `csv_text`.
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
            {n: _text(v) if n in texts else float(v or "nan") for n, v in row.items()}
            for row in reader
        ]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error}); run `autoreg evaluate` again."
        ) from error


def csv_text(text: str) -> str:
    """A text that spreadsheets show, where they would take it for a formula.

    It begins with an apostrophe then, as such programs write it themselves.

    Examples:
        >>> csv_text("=1+1"), csv_text("s1")
        ("'=1+1", 's1')
    """
    return f"'{text}" if _FORMULA.match(text) else text


def _text(cell: str) -> str:
    """What `csv_text` was given."""
    rest = cell.removeprefix("'")
    return rest if rest != cell and _FORMULA.match(rest) else cell


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return csv_text(value)
    return f"{value:.6f}" if math.isfinite(value) else ""
