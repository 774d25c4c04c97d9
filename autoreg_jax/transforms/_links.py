"""Chains of maps."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from autoreg_jax.geometry import Grid
from autoreg_jax.transforms._affine import Affine
from autoreg_jax.transforms._field import Field, InverseField
from autoreg_jax.transforms._velocity import Velocity

__all__ = ["Link"]

Link = Affine | Field | InverseField | Velocity

# Points handled at once: bounds the memory at a few hundred megabytes.
_CHUNK = 1_000_000


def map_points(
    links: Sequence[Link], points: Float[np.ndarray, "*n 3"]
) -> Float[np.ndarray, "*n 3"]:
    """Where a chain takes points; its last link is applied first."""
    for link in reversed(links):
        points = link.map(points)
    return points


def over_grid(
    grid: Grid, function: Callable[[np.ndarray], np.ndarray], *, chunk: int = _CHUNK
) -> np.ndarray:
    """A function of the world at every voxel of a grid, slab by slab.

    Args:
        grid: The grid.
        function: Of positions `(*n, 3)` mm.
        chunk: Points handled at once, about.

    Returns:
        Its values, `(*space, ...)`.
    """
    depth = max(1, chunk // int(np.prod(grid.shape[1:])))
    begins = range(0, grid.shape[0], depth)
    slabs = (grid.points(begin, begin + depth) for begin in begins)
    return np.concatenate([function(points) for points in slabs])
