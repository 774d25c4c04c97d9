"""Chains of maps."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from autoreg_jax.geometry import Grid
from autoreg_jax.transforms.links._affine import Affine
from autoreg_jax.transforms.links._displacement import (
    Displacement,
    InverseDisplacement,
)
from autoreg_jax.transforms.links._spline import Spline
from autoreg_jax.transforms.links._velocity import Velocity

__all__ = ["Link", "as_displacement", "grid_of", "map_grid", "map_points"]

Link = Affine | Displacement | InverseDisplacement | Spline | Velocity

# Points mapped at once: bounds the memory at a few hundred megabytes.
_CHUNK = 1_000_000
# Distance of two grids that are one, voxels.
_SAME = 1e-9


def grid_of(link: Link) -> Grid | None:
    """Where the vectors or control points of a map lie; None for an affine map."""
    if isinstance(link, Affine):
        return None
    return link.knots if isinstance(link, Spline) else link.grid


def map_points(
    links: Sequence[Link], points: Float[np.ndarray, "*n 3"]
) -> Float[np.ndarray, "*n 3"]:
    """Where a chain maps points; its last link is applied first."""
    for link in reversed(links):
        points = link.map(points)
    return points


def map_grid(
    links: Sequence[Link], grid: Grid, *, chunk: int = _CHUNK
) -> Iterator[tuple[Float[np.ndarray, "*slab 3"], Float[np.ndarray, "*slab 3"]]]:
    """Where a chain maps the voxels of a grid, slab by slab along the first axis.

    Args:
        links: The chain; a displacement or velocity that is applied first and lies on
            this very grid is not interpolated.
        grid: The grid.
        chunk: Number of points in a slab, about.

    Yields:
        World positions of the voxels of a slab, and where they are mapped to, mm.
    """
    first = links[-1] if links else None
    if isinstance(first, Velocity):
        first = first.displacement
    depth = max(1, chunk // int(np.prod(grid.shape[1:])))
    for begin in range(0, grid.shape[0], depth):
        points = grid.points(begin, begin + depth)
        if isinstance(first, Displacement) and first.grid.matches(grid, _SAME):
            moved = points + first.vectors[begin : begin + depth]
            yield points, map_points(links[:-1], moved)
        else:
            yield points, map_points(links, points)


def as_displacement(links: Sequence[Link], grid: Grid | None = None) -> Displacement:
    """A chain as one displacement, which holds on its grid only.

    Args:
        links: The chain.
        grid: Of the displacement; default: the grid of the link that is applied first.

    Raises:
        TransformError: If an inverse displacement cannot be solved for.
        ValueError: If no grid is given and that link has none.
    """
    match links:
        case (Displacement() as field,) if not grid or field.grid.matches(grid, _SAME):
            return field
    first = links[-1] if links else None
    grid = getattr(first, "grid", None) if grid is None else grid
    if grid is None:
        raise ValueError(
            "an affine map, or one of splines, has no grid of its own; give one."
        )
    slabs = map_grid(links, grid)
    return Displacement(np.concatenate([q - p for p, q in slabs]), grid)
