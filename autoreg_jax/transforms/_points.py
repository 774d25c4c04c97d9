"""Tables of points in the world."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from autoreg_jax.errors import DataError
from autoreg_jax.files import write_text

__all__ = ["Points", "read_points", "write_points"]

_AXES = ("x", "y", "z")


@dataclass(frozen=True, eq=False)
class Points:
    """Points of a table and its other columns.

    Attributes:
        positions: World millimetres, RAS+, `(n, 3)`, or `(n, 2)` if there is no z.
        columns: Names of the columns.
        rows: Their cells as text.
    """

    positions: Float[np.ndarray, "n d"]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read_points(path: Path | str) -> Points:
    """Read a CSV file with the columns x, y and, in space, z; others are kept.

    The coordinates are world millimetres, RAS+, as NIfTI and Slicer's RAS have them.
    Those that ANTs writes are LPS: change the signs of x and y first.

    Args:
        path: The file.

    Returns:
        The points.

    Raises:
        DataError: If the file is missing or not such a table, or a coordinate is not a
            finite number.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; correct the path.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = [row for row in csv.reader(io.StringIO(text), strict=True) if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file in UTF-8 ({error}).") from error
    columns = tuple(cell.strip() for cell in lines[0]) if lines else ()
    if not {"x", "y"} <= set(columns) or len(set(columns)) < len(columns):
        raise DataError(
            f"{path}: the first line must name each column once, x, y and z among "
            f"them, found {','.join(columns) or 'nothing'}."
        )
    places = [columns.index(axis) for axis in _AXES if axis in columns]
    positions = []
    for number, row in enumerate(lines[1:], 2):
        if len(row) != len(columns):
            raise DataError(
                f"{path}, row {number}: {len(row)} cells for {len(columns)} columns."
            )
        try:
            position = [float(row[place]) for place in places]
        except ValueError:
            position = [np.nan]
        if not np.isfinite(position).all():
            raise DataError(f"{path}, row {number}: x, y and z must be finite numbers.")
        positions.append(position)
    array = np.array(positions, np.float64).reshape(-1, len(places))
    return Points(array, columns, tuple(tuple(row) for row in lines[1:]))


def write_points(path: Path | str, points: Points) -> Path:
    """Write points as `read_points` reads them, whole or not at all.

    Args:
        path: Where to.
        points: Their positions replace the coordinates in the rows.

    Returns:
        The path.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(points.columns)
    places = [points.columns.index(axis) for axis in _AXES if axis in points.columns]
    for row, position in zip(points.rows, points.positions, strict=True):
        cells = list(row)
        for place, value in zip(places, position, strict=True):
            cells[place] = f"{value:.6f}"
        writer.writerow(cells)
    return write_text(path, stream.getvalue())
