"""Tables with the columns x, y and z, our own and those of ANTs."""

import csv
import io
import warnings

import numpy as np

from autoreg_jax.errors import ImageWarning
from autoreg_jax.transforms.points._points import (
    PointImages,
    Points,
    PointSpace,
    checked,
    flipped,
)

__all__ = ["read_csv"]

# Names of the coordinates, and the space that they state.
_AXES: dict[str, PointSpace | None] = {"xyz": None, "ras": "ras", "lps": "lps"}


def read_csv(
    text: str, ending: str, space: PointSpace | None, images: PointImages
) -> Points:
    """Points of a CSV file.

    Args:
        text: Of the file.
        ending: Of its name.
        space: Of the coordinates; default: LPS if the columns are those of
            `antsApplyTransformsToPoints` (a column t, or label and comment), else RAS.
            Slicer's columns r, a, s and l, p, s say it themselves.
        images: Not used.

    Raises:
        ValueError: If the text is no such table.
    """
    try:
        lines = [row for row in csv.reader(io.StringIO(text), strict=True) if any(row)]
    except csv.Error as error:
        raise ValueError(f"not a CSV file in UTF-8 ({error}).") from error
    columns = [cell.strip() for cell in lines[0]] if lines else []
    names = [column.lower() for column in columns]
    axes = next((word for word in _AXES if set(word[:2]) <= set(names)), None)
    if axes is None or len(set(names)) < len(names):
        found = ",".join(columns) or "nothing"
        has_others = bool(set(";\t") & set("".join(columns)))
        advice = "Separate the columns by commas." if has_others else ""
        if any(name.endswith(("_i", "_j")) or name in ("i", "j") for name in names):
            advice = "Voxel indices have to become mm: nibabel.affines.apply_affine."
        raise ValueError(
            "the first line must name each column once, x, y and z among them, found "
            f"{found}. {advice}".rstrip()
        )
    for number, row in enumerate(lines[1:], 2):
        if len(row) != len(columns):
            raise ValueError(
                f"row {number}: {len(row)} cells for {len(columns)} columns."
            )
    places = [names.index(axis) for axis in axes if axis in names]
    stored = checked([[row[place] for place in places] for row in lines[1:]], 2)
    stored = stored.reshape(-1, len(places))
    used = space or _AXES[axes] or _space_of(names)

    def render(positions: np.ndarray) -> str:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(lines[0])
        for row, position in zip(lines[1:], flipped(positions, used), strict=True):
            cells = list(row)
            for place, value in zip(places, position, strict=True):
                cells[place] = f"{value:.6f}"
            writer.writerow(cells)
        return stream.getvalue()

    return Points(flipped(stored, used), ending, render)


def _space_of(names: list[str]) -> PointSpace:
    """The space that the columns suggest."""
    if "t" not in names and not {"label", "comment"} <= set(names):
        return "ras"
    warnings.warn(
        "its columns are those of ANTs: the coordinates were read as mm along L, P, S, "
        "and are written so. If they are along R, A, S, give --points-space ras; "
        "--points-space lps confirms them without this warning.",
        ImageWarning,
        stacklevel=2,
    )
    return "lps"
