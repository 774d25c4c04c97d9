"""Places that are known in both images of a pair."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from autoreg_jax.errors import DataError, GeometryError
from autoreg_jax.geometry import Volume, is_inside
from autoreg_jax.transforms import read_points

Landmarks = Float[np.ndarray, "n 3"] | Path | str


def read_landmarks(
    given: tuple[Landmarks, Landmarks], fixed: Volume, moving: Volume
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Landmarks of both images in mm, RAS+, checked.

    Args:
        given: Points or files, of the fixed and of the moving image.
        fixed: The fixed image.
        moving: The moving image.

    Raises:
        DataError: If a file cannot be used, or the images have another number.
        GeometryError: If a landmark lies outside of its image.
    """
    lists = []
    for part, image, kind in zip(
        given, (fixed, moving), ("fixed", "moving"), strict=True
    ):
        name = f"the {kind} landmarks"
        if isinstance(part, Path | str):
            name, part = str(part), read_points(part, drawn_on=image.grid).positions
        points = np.asarray(part, np.float64)
        if points.ndim != 2 or points.shape[1] not in (image.ndim, 3):
            raise DataError(
                f"{name}: must be a list of points with 3 coordinates each, got the "
                f"shape {points.shape}."
            )
        if not len(points) or not np.isfinite(points).all():
            raise DataError(f"{name}: must be finite numbers of one point at least.")
        points = np.pad(points, ((0, 0), (0, 3 - points.shape[1])))
        outside = ~is_inside(image.grid.to_voxels(points), image.shape)
        if outside.any():
            number = int(np.argmax(outside))
            where = ", ".join(f"{x:.4g}" for x in points[number])
            raise GeometryError(
                f"{name}: {outside.sum()} of {len(points)} lie outside of "
                f"{image.path or f'the {kind} image'}, the first is number "
                f"{number + 1} at ({where}) mm, RAS; give the points of this image, "
                "and in RAS (an LPS point has the other sign of x and y)."
            )
        lists.append(points)
    if len(lists[0]) != len(lists[1]):
        raise DataError(
            f"{len(lists[0])} fixed and {len(lists[1])} moving landmarks; give the "
            "same places of both images in the same order."
        )
    return lists[0], lists[1]
