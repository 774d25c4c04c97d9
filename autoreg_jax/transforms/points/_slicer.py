"""Points of 3D Slicer: `.fcsv` and `.mrk.json`."""

import csv
import io
import json
import warnings
from typing import Any

import numpy as np

from autoreg_jax.errors import ImageWarning
from autoreg_jax.transforms.points._points import (
    PointImages,
    Points,
    PointSpace,
    checked,
    flipped,
)

__all__ = ["read_fcsv", "read_markups"]

_SPACES: dict[str, PointSpace] = {"RAS": "ras", "0": "ras", "LPS": "lps", "1": "lps"}
# Columns of a file that does not name them.
_COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
# Control points of these lie where an image shows something; the others are boxes and
# planes, which a deformation does not map to boxes and planes.
_KINDS = ("Fiducial", "PointList", "Line", "Angle", "Curve", "ClosedCurve")


def read_fcsv(
    text: str, ending: str, space: PointSpace | None, images: PointImages
) -> Points:
    """Points of an `.fcsv` file of Slicer 3, 4 or 5.

    Args:
        text: Of the file.
        ending: Of its name.
        space: Of the coordinates, instead of what the file says.
        images: Not used.

    Raises:
        ValueError: If the text is no such file, or counts voxels (IJK).
    """
    lines = text.splitlines()
    parts = [line.lstrip("# ").partition("=") for line in lines if line[:1] == "#"]
    notes = {name.strip(): value.strip() for name, _, value in parts}
    columns = [cell.strip() for cell in notes.get("columns", _COLUMNS).split(",")]
    if not {"x", "y", "z"} <= set(columns):
        raise ValueError(f"its columns are {','.join(columns)}, without x, y and z.")
    used = space or _stated(notes.get("CoordinateSystem"))
    places = [columns.index(axis) for axis in "xyz"]
    numbers = [
        number
        for number, line in enumerate(lines)
        if line.strip() and not line.startswith("#")
    ]
    rows = [next(csv.reader([lines[number]])) for number in numbers]
    if any(len(row) <= max(places) for row in rows):
        raise ValueError("a row has fewer cells than the line '# columns' names.")
    stored = checked([[row[place] for place in places] for row in rows])

    def render(positions: np.ndarray) -> str:
        kept = list(lines)
        moved = flipped(positions, used)
        for number, row, position in zip(numbers, rows, moved, strict=True):
            cells = list(row)
            for place, value in zip(places, position, strict=True):
                cells[place] = f"{value:.6f}"
            stream = io.StringIO()
            csv.writer(stream, lineterminator="").writerow(cells)
            kept[number] = stream.getvalue()
        return "\n".join(kept) + "\n"

    return Points(flipped(stored, used), ending, render)


def read_markups(
    text: str, ending: str, space: PointSpace | None, images: PointImages
) -> Points:
    """Control points of all point lists, lines, angles and curves of a `.mrk.json`.

    Points without a position stay without. Measurements, which would no longer be true,
    are left out of what is written; Slicer computes them anew.

    Args:
        text: Of the file.
        ending: Of its name.
        space: Of the coordinates, instead of what the file says.
        images: Not used.

    Raises:
        ValueError: If the text is no such file, is not in mm, or holds other markups.
    """
    try:
        content = json.loads(text)
        if not isinstance(content, dict) or not isinstance(
            content.get("markups"), list
        ):
            raise ValueError("not a markups file of Slicer: it has no list 'markups'.")
        markups = content["markups"]
        _check_markups(markups)
        found: list[tuple[Any, PointSpace]] = [
            (point["position"], space or _stated(markup.get("coordinateSystem", "LPS")))
            for markup in markups
            for point in _placed(markup)
        ]
        stored = checked([[str(value) for value in position] for position, _ in found])
    except (LookupError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"not a markups file of Slicer ({error!r}).") from error
    if stored.shape[1] != 3:
        raise ValueError("a control point has not three coordinates.")
    spaces: list[PointSpace] = [used for _, used in found]
    inside = [flipped(one, used) for one, used in zip(stored, spaces, strict=True)]

    def render(positions: np.ndarray) -> str:
        copy = json.loads(text)
        points = [point for markup in copy["markups"] for point in _placed(markup)]
        for point, one, used in zip(points, positions, spaces, strict=True):
            there = flipped(one, used)
            point["position"] = [round(float(value), 6) for value in there]
        for markup in copy["markups"]:
            if markup.get("measurements"):
                markup["measurements"] = []
        return json.dumps(copy, indent=4, ensure_ascii=False) + "\n"

    return Points(np.array(inside).reshape(-1, 3), ending, render)


def _placed(markup: dict[str, Any]) -> list[dict[str, Any]]:
    """The control points that have a position."""
    return [
        point
        for point in markup.get("controlPoints", ())
        if point.get("positionStatus", "defined") == "defined"
    ]


def _check_markups(markups: list[dict[str, Any]]) -> None:
    """Refuse what is not made of points in mm."""
    for markup in markups:
        kind = markup.get("type", "Fiducial")
        if kind not in _KINDS:
            raise ValueError(
                f"it holds a markup of the type {kind}; {', '.join(_KINDS)} "
                "can be moved. Save those into a file of their own."
            )
        unit = markup.get("coordinateUnits", "mm")
        if unit not in ("mm", ["mm"] * 3):
            raise ValueError(f"its unit is {unit!r}, not mm.")


def _stated(name: str | None) -> PointSpace:
    """The space that a file names."""
    if name is None:
        warnings.warn(
            "it does not say its coordinate system: the points were read as mm along "
            "R, A, S. If they are along L, P, S, give --points-space lps.",
            ImageWarning,
            stacklevel=3,
        )
        return "ras"
    name = str(name).upper()
    if name not in _SPACES:
        raise ValueError(
            f"its coordinate system is {name}; points in LPS or RAS are understood. "
            "Save it so, or give --points-space."
        )
    return _SPACES[name]
