"""Chains of maps."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Num

from autoreg_jax.geometry import Grid
from autoreg_jax.transforms.links._affine import Affine
from autoreg_jax.transforms.links._displacement import (
    Displacement,
    InverseDisplacement,
)
from autoreg_jax.transforms.links._spline import Spline
from autoreg_jax.transforms.links._velocity import Velocity

__all__ = ["Link", "as_displacement", "grid_of", "inverted", "map_points", "over_grid"]

Link = Affine | Displacement | InverseDisplacement | Spline | Velocity

# Points mapped at once, and by so many threads: NumPy and SciPy run outside of the lock
# of Python. Bounds the memory at a few hundred megabytes.
_CHUNK, _THREADS = 250_000, min(8, os.cpu_count() or 1)
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


def inverted(links: Sequence[Link], *, exact: bool = True) -> tuple[Link, ...]:
    """The inverse of a chain; `exact` as `InverseDisplacement.is_exact`."""
    found = [link.inverse() for link in reversed(links)]
    return tuple(
        replace(link, is_exact=exact) if isinstance(link, InverseDisplacement) else link
        for link in found
    )


def over_grid(
    function: Callable[[np.ndarray, np.ndarray], np.ndarray],
    links: Sequence[Link],
    grid: Grid,
    *,
    chunk: int = _CHUNK,
    dtype: type[np.floating] | None = None,
) -> Num[np.ndarray, "*space k"]:
    """A function of where a chain maps the voxels of a grid.

    It is evaluated on slabs along the first axis, several at once on threads.

    Args:
        function: `(points, mapped) -> values` of the voxels of a slab, world mm.
        links: The chain; a displacement or velocity that is applied first and lies on
            this very grid is not interpolated.
        grid: The grid.
        chunk: Number of points in a slab, about.
        dtype: Of the result; default: that of the values.

    Returns:
        The values at all voxels.
    """
    first = links[-1] if links else None
    if isinstance(first, Velocity):
        first = first.displacement
    is_here = isinstance(first, Displacement) and first.grid.matches(grid, 1e-9)
    depth = max(1, chunk // int(np.prod(grid.shape[1:])))

    def of_slab(begin: int) -> np.ndarray:
        points = grid.points(begin, begin + depth)
        if isinstance(first, Displacement) and is_here:
            moved = points + first.vectors[begin : begin + depth]
            return function(points, map_points(links[:-1], moved))
        return function(points, map_points(links, points))

    # What the links compute once, they compute for the first slab.
    values = of_slab(0)
    kind = values.dtype if dtype is None else dtype
    found = np.empty((grid.shape[0], *values.shape[1:]), kind)
    found[:depth] = values

    def put_slab(begin: int) -> None:
        found[begin : begin + depth] = of_slab(begin)

    with ThreadPoolExecutor(_THREADS) as pool:
        # The list raises what a slab has raised.
        list(pool.map(put_slab, range(depth, grid.shape[0], depth)))
    return found


def as_displacement(
    links: Sequence[Link],
    grid: Grid | None = None,
    dtype: type[np.floating] | None = None,
) -> Displacement:
    """A chain as one displacement, which holds on its grid only.

    Args:
        links: The chain.
        grid: Of the displacement; default: the grid of the link that is applied first.
        dtype: Of vectors that are computed; default: float64.

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
    return Displacement(over_grid(lambda p, q: q - p, links, grid, dtype=dtype), grid)
