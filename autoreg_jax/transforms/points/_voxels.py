"""Points of elastix and of ITK-SNAP, which may count voxels."""

import re

import numpy as np

from autoreg_jax.geometry import Grid
from autoreg_jax.transforms.points._points import (
    PointImages,
    Points,
    PointSpace,
    checked,
    flipped,
)

__all__ = ["read_elastix", "read_itksnap"]

# ITK-SNAP counts from the corner of the first voxel, not from its centre.
_CORNER = 0.5
_WHICH = "its points count voxels; give the image that they were drawn on"
_ENTRY = re.compile(r'(<entry\s+key="(?:Pos|Point1|Point2)"\s+value=")([^"]*)(")')


def read_elastix(
    text: str, ending: str, space: PointSpace | None, images: PointImages
) -> Points:
    """Points of a text file for `transformix -def`: mm along L, P, S, or voxels.

    Voxels (`index`) are written as mm (`point`), because transformix rounds an index.

    Args:
        text: Of the file: `point` or `index`, the number of points, one in each row.
        ending: Of its name.
        space: Of points in mm, instead of LPS.
        images: Whose voxels an `index` counts.

    Raises:
        ValueError: If the text is no such file, or an image is needed.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    header = lines[0] if lines else []
    if header not in (["point"], ["index"]) or len(lines) < 2:
        raise ValueError(
            "a file of points of elastix begins with the line 'point' or 'index' and "
            f"the number of points, found {' '.join(header)[:40]!r}. Other points are "
            "read from .csv, .fcsv and .mrk.json."
        )
    rows = lines[2:]
    if lines[1] != [str(len(rows))] or {len(row) for row in rows} - {2, 3}:
        raise ValueError(
            f"it promises {' '.join(lines[1])} points with two or three coordinates; "
            f"it has {len(rows)} rows."
        )
    used = space or "lps"
    positions = checked(rows)
    if header == ["point"]:
        positions = flipped(positions, used)
    else:
        if images.drawn_on is None:
            raise ValueError(f"{_WHICH} (--points-image).")
        positions = _to_world(positions, images.drawn_on)

    def render(positions: np.ndarray) -> str:
        moved = flipped(positions, used)
        body = [" ".join(f"{value:.6f}" for value in row) for row in moved]
        return "\n".join(["point", str(len(body)), *body]) + "\n"

    return Points(positions, ending, render)


def read_itksnap(
    text: str, ending: str, space: PointSpace | None, images: PointImages
) -> Points:
    """Landmarks and the ends of lines in an `.annot` file of ITK-SNAP.

    They count voxels of the image from the corner of its first voxel, as
    `ImageAnnotationData` and the cursor of https://github.com/pyushkevich/itksnap do.

    Args:
        text: Of the file.
        ending: Of its name.
        space: Not used.
        images: Whose voxels they count.

    Raises:
        ValueError: If the text is no such file, or an image is not given.
    """
    if "ITK-SNAP Annotation File" not in text:
        raise ValueError("not a file of annotations of ITK-SNAP.")
    if images.drawn_on is None or images.moved_to is None:
        raise ValueError(
            f"{_WHICH} (--points-image), and the one that they are moved to (-r)."
        )
    moved_to = images.moved_to
    rows = [match[2].split() for match in _ENTRY.finditer(text)]
    if any(len(row) != 3 for row in rows):
        raise ValueError("an annotation has not three coordinates.")
    stored = checked(rows) - _CORNER

    def render(positions: np.ndarray) -> str:
        moved = iter(moved_to.to_voxels(positions) + _CORNER)
        return _ENTRY.sub(
            lambda match: (
                match[1] + " ".join(f"{value:.6f}" for value in next(moved)) + match[3]
            ),
            text,
        )

    return Points(_to_world(stored, images.drawn_on), ending, render)


def _to_world(index: np.ndarray, grid: Grid) -> np.ndarray:
    """World positions of voxels."""
    if index.shape[-1] != grid.ndim:
        raise ValueError(
            f"it counts voxels along {index.shape[-1]} axes, the image has {grid.ndim}."
        )
    return grid.to_world(index)
