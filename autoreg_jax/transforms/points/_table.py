"""The table of formats of points, and files that are read and written by it."""

from pathlib import Path

from autoreg_jax.errors import DataError
from autoreg_jax.files import write_text
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms._naming import named
from autoreg_jax.transforms.points._csv import read_csv
from autoreg_jax.transforms.points._points import (
    PointImages,
    Points,
    PointSpace,
    Reader,
)
from autoreg_jax.transforms.points._slicer import read_fcsv, read_markups
from autoreg_jax.transforms.points._voxels import read_elastix, read_itksnap

__all__ = ["POINT_ENDINGS", "read_points", "write_points"]

# The first ending that fits is used.
_FORMATS: dict[str, Reader] = {
    ".fcsv": read_fcsv,
    ".csv": read_csv,
    ".mrk.json": read_markups,
    ".json": read_markups,
    ".txt": read_elastix,
    ".pts": read_elastix,
    ".annot": read_itksnap,
}
POINT_ENDINGS = tuple(_FORMATS)


def read_points(
    path: Path | str,
    *,
    space: PointSpace | None = None,
    drawn_on: Grid | None = None,
    moved_to: Grid | None = None,
) -> Points:
    """Read points: a CSV table, or a file of Slicer, elastix or ITK-SNAP.

    A CSV table has the columns x, y and, in space, z; all else in a file is kept.

    Args:
        path: `.csv`, `.fcsv` and `.mrk.json` (Slicer), `.txt` and `.pts` (elastix) or
            `.annot` (ITK-SNAP).
        space: "ras" or "lps": of coordinates in mm, instead of what the file says. A
            CSV table does not say it: it is RAS, or LPS with the columns of ANTs.
        drawn_on: Grid whose voxels the points count (`.annot`, `index` of elastix).
        moved_to: Grid whose voxels they count when they are written.

    Returns:
        The points in mm along R, A, S.

    Warns:
        ImageWarning: If the space of the points was concluded.

    Raises:
        DataError: If the file is missing or not such a file, a coordinate is not a
            finite number, or an image is needed.
    """
    path = Path(path)
    ending = _ending_of(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; correct the path.")
    try:
        text = _text(path)
        with named(path):
            return _FORMATS[ending](
                text, ending, space, PointImages(drawn_on, moved_to)
            )
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def write_points(path: Path | str, points: Points) -> Path:
    """Write points in the format and space of the file they come from.

    Args:
        path: Where to; the ending is that of the file that was read.
        points: Their positions replace the coordinates that were read.

    Returns:
        The path.

    Raises:
        DataError: If the name has another ending.
    """
    path = Path(path)
    if _ending_of(path) != points.ending:
        raise DataError(
            f"{path}: points of a {points.ending} file are written as {points.ending}."
        )
    return write_text(path, points.render(points.positions))


def _text(path: Path) -> str:
    """The text of a file."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"it is not a text in UTF-8 (byte {error.start}); save it so."
        ) from error


def _ending_of(path: Path) -> str:
    """The ending of a file of points."""
    for ending in _FORMATS:
        if path.name.lower().endswith(ending):
            return ending
    raise DataError(
        f"{path}: the name of a file of points must end in one of "
        f"{', '.join(_FORMATS)}."
    )
