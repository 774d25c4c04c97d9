"""Transforms of a plane, and what does not lie in it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from autoreg_jax.transforms.links import Link, grid_of

__all__ = ["check_plane", "mixes_dimensions"]

# Millimetres: a point in a plane.
_ROUNDING = 1e-3


def check_plane(links: Sequence[Link], points: Float[np.ndarray, "n 3"]) -> None:
    """Refuse points that do not lie in the plane of two-dimensional maps.

    Args:
        links: Maps of the plane of x and y; the plane is that of their grids, or z = 0.
        points: World mm, RAS+.

    Raises:
        ValueError: If a point is farther from the plane than half a voxel.
    """
    grids = [grid for grid in map(grid_of, links) if grid is not None]
    planes = [(g.affine[2, 3], np.linalg.norm(g.affine[:3, 2]) / 2) for g in grids]
    for height, half in planes or [(0.0, 0.0)]:
        away = np.abs(points[:, 2] - height)
        outside = away > half + _ROUNDING
        if outside.any():
            raise ValueError(
                f"the transforms are 2-D, of the plane z = {height:g} mm; "
                f"{np.count_nonzero(outside)} of {len(away)} points do not lie in it, "
                f"e.g. z = {points[away.argmax(), 2]:g} mm. Give 3-D transforms, or "
                "points without the column z."
            )


def mixes_dimensions(links: Sequence[Link]) -> bool:
    """Whether matrices of the plane are together with maps of space."""
    grids = [(link, grid_of(link)) for link in links]
    has_plane = any(grid is None and link.ndim == 2 for link, grid in grids)
    has_space = any(
        link.ndim == 3 and (grid is None or grid.ndim == 3) for link, grid in grids
    )
    return has_plane and has_space
