"""CSV files with known columns, read strictly."""

import csv
import difflib
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from autoreg_jax.data.datasets._dataset import check_file
from autoreg_jax.data.datasets._names import located
from autoreg_jax.errors import DataError

__all__ = ["existing_files", "read_table"]


def read_table(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV file with known columns.

    Args:
        path: The file, UTF-8, comma separated, with a line of column names.
        required: Columns that must be present, with a value in every line.
        optional: Columns that may be missing, or have empty cells.

    Returns:
        Line number and cells by column, without surrounding spaces.

    Raises:
        DataError: If the file is missing, is not a text table, has no lines, or its
            columns or cells are not as required.
    """
    check_file(path, "CSV file")
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: not a CSV file in UTF-8 ({error}); export it again as such."
        ) from error
    lines = [(number, row) for number, row in lines if any(row)]
    if len(lines) < 2:
        raise DataError(
            f"{path}: the file is empty; it needs a line of column names "
            f"({','.join(required)}) and one line for each entry."
        )
    columns = lines[0][1]
    _check_columns(path, columns, required, optional)
    table = []
    for number, row in lines[1:]:
        if len(row) != len(columns):
            raise DataError(
                f"{path}, line {number}: {len(row)} cells for {len(columns)} columns; "
                "add the missing ones, and quote a cell that contains a comma."
            )
        cells = dict(zip(columns, row, strict=True))
        for column in required:
            if not cells[column]:
                raise DataError(f"{path}, line {number}: the cell {column!r} is empty.")
        table.append((number, cells))
    return table


def existing_files(
    path: Path, cells: dict[str, str], columns: Sequence[str], where: str
) -> dict[str, Path]:
    """The files that the cells of a line name, relative to the table; all exist."""
    files = {
        name: located(path.parent, cells[name]) for name in columns if cells.get(name)
    }
    for column, file in files.items():
        check_file(file, f"{where}, column {column!r}")
    return files


def _check_columns(
    path: Path,
    columns: list[str],
    required: tuple[str, ...],
    optional: tuple[str, ...],
) -> None:
    """Refuse missing, unknown and repeated columns."""
    known = (*required, *optional)
    for column in required:
        if column not in columns:
            raise DataError(
                f"{path}: the column {column!r} is missing; found {','.join(columns)}. "
                f"The first line must name {','.join(required)}, separated by commas."
            )
    for column, count in Counter(columns).items():
        if column not in known:
            near = difflib.get_close_matches(column, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else "remove it."
            raise DataError(
                f"{path}: unknown column {column!r}; {hint} Known columns: "
                f"{','.join(known)}."
            )
        if count > 1:
            raise DataError(f"{path}: the column {column!r} appears {count} times.")
