"""A displacement on a grid, and its inverse."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float
from scipy import spatial

from autoreg_jax.display import number
from autoreg_jax.errors import TransformError
from autoreg_jax.geometry import Grid, is_inside, sample_edge

if TYPE_CHECKING:
    from autoreg_jax.transforms.links._spline import Spline

__all__ = ["Displacement", "InverseDisplacement"]

_ITERATIONS = 500
# Of the smallest spacing: a hundred nanometres at one millimetre.
_TOLERANCE = 1e-4
# Voxels from the image of a fold, within which a point may come from several places.
_NEAR = 3.0
# Voxels whose derivatives are computed at once, about.
_CHUNK = 250_000


@dataclass(frozen=True, eq=False)
class Displacement:
    """φ(p) = p + u(p), with u interpolated linearly between the voxels of a grid.

    Outside of the grid φ is the identity, by the rule of `geometry.sample`. A field on
    a plane holds for every point above it and below it.

    Attributes:
        vectors: u in world millimetres, `(*space, 3)`; two components mean a
            plane of x and y.
        grid: Where the vectors lie.
        followed_by: Name of the file of the affine map without which this is half of a
            registration, as its header says it; empty if there is none.

    Raises:
        ValueError: If the shapes do not agree or a vector is not finite.
    """

    vectors: Float[np.ndarray, "*space 3"]
    grid: Grid
    followed_by: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "vectors", world_vectors(self.vectors, self.grid))

    def __repr__(self) -> str:
        return f"Displacement({self.description})"

    @property
    def description(self) -> str:
        """Grid and lengths in words."""
        lengths = described_lengths(self.vectors)
        return f"displacement on {self.grid.description}: {lengths}"

    @property
    def ndim(self) -> int:
        """2 for a field on and in a plane of the world's x and y, otherwise 3."""
        flat = self.grid.ndim == 2 and not np.any(self.grid.affine[2, :2])
        return 2 if flat and not np.any(self.vectors[..., 2]) else 3

    def map(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Where the points are mapped to."""
        index = self.grid.to_voxels(points)
        inside = is_inside(index, self.grid.shape)
        return points + np.where(inside[..., None], self._at(index), 0)

    def contains(self, points: Float[np.ndarray, "*n 3"]) -> Bool[np.ndarray, "*n"]:
        """Whether points lie on the grid, see `geometry.is_inside`."""
        return is_inside(self.grid.to_voxels(points), self.grid.shape)

    @property
    def sampled(self) -> "Displacement":
        """The displacement itself."""
        return self

    def extended(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """U at the points; outside of the grid the value at its edge."""
        return self._at(self.grid.to_voxels(points))

    def determinant(self) -> Float[np.ndarray, "*space"]:
        """Determinant of ∂φ/∂x at the voxels; not above zero where φ folds."""
        return determinant(self.grid.points() + self.vectors, self.grid)

    def inverse(self) -> "InverseDisplacement":
        """The inverse map, which is solved for at each point where it is evaluated."""
        return InverseDisplacement(self)

    def _at(self, index: np.ndarray) -> np.ndarray:
        parts = np.moveaxis(self.vectors, -1, 0)
        return np.stack([sample_edge(part, index) for part in parts], -1)


@dataclass(frozen=True, eq=False)
class InverseDisplacement:
    """The inverse of a displacement: the x with x + u(x) = y, by fixed-point iteration.

    Beyond the border u continues as at the edge, so that the inverse has no step there;
    where both x and y lie outside of the grid, it is the identity as the field is.

    Attributes:
        displacement: The displacement, on a grid or by splines.
        is_exact: Points that come from several places, or for which the iteration does
            not converge, are refused; otherwise the nearest x that was met is taken.
    """

    displacement: "Displacement | Spline"
    is_exact: bool = True

    def __repr__(self) -> str:
        return f"InverseDisplacement({self.description})"

    @property
    def description(self) -> str:
        """What is inverted, and how strictly, in words."""
        how = "" if self.is_exact else ", nearest points where it folds"
        return f"inverse of {self.displacement.description}{how}"

    @property
    def ndim(self) -> int:
        """2 or 3, as of the displacement."""
        return self.displacement.ndim

    @property
    def grid(self) -> Grid:
        """The grid of the displacement."""
        return self.displacement.sampled.grid

    def map(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Where the points come from.

        Raises:
            TransformError: If it is exact, and the displacement folds where a point
                comes from, so that it comes from several places, or the iteration does
                not converge.
        """
        goal = np.asarray(points, np.float64).reshape(-1, 3)
        if self.is_exact:
            self._refuse_folds(goal)
        found = self._solve(goal)
        touched = self.displacement.contains(found) | self.displacement.contains(goal)
        return np.where(touched[:, None], found, goal).reshape(points.shape)

    def inverse(self) -> "Displacement | Spline":
        """The displacement itself."""
        return self.displacement

    @cached_property
    def _folds(self) -> spatial.KDTree | None:
        """Where the voxels go at which the displacement folds, in voxels."""
        field = self.displacement.sampled
        folded = field.determinant() <= 0
        if not folded.any():
            return None
        moved = self.grid.points()[folded] + field.vectors[folded]
        return spatial.KDTree(self.grid.to_voxels(moved))

    def _refuse_folds(self, goal: np.ndarray) -> None:
        """Refuse points near to the image of a fold."""
        if self._folds is None:
            return
        index = self.grid.to_voxels(goal)
        distance, _ = self._folds.query(index, distance_upper_bound=_NEAR)
        near = np.isfinite(distance)
        if near.any():
            raise TransformError(
                f"the displacement folds at {self._folds.n} voxels, and "
                f"{np.count_nonzero(near)} of {len(goal)} points, e.g. "
                f"{np.round(goal[near][0], 2).tolist()} mm, come from there and have "
                "no single origin; use the inverse displacement that the "
                "registration wrote, or register with more smoothness."
            )

    def _solve(self, goal: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Iterate x ← x + s (y - x - u(x)) at each point until it converges."""
        found = goal - self.displacement.extended(goal)
        nearest, least = found.copy(), np.full(len(goal), np.inf)
        last = np.full(len(goal), np.inf)
        step = np.ones(len(goal))
        left = np.arange(len(goal))
        tolerance = _TOLERANCE * min(self.grid.spacing)
        for _ in range(_ITERATIONS):
            here = found[left]
            error = goal[left] - here - self.displacement.extended(here)
            length = np.linalg.norm(error, axis=-1)
            # A steep displacement makes the iteration overshoot: go half as far.
            step[left[length > last[left]]] *= 0.5
            last[left] = length
            is_nearer = length < least[left]
            nearer = left[is_nearer]
            nearest[nearer], least[nearer] = here[is_nearer], length[is_nearer]
            wrong = length > tolerance
            left, error = left[wrong], error[wrong]
            if not len(left):
                return nearest
            found[left] += step[left, None] * error
        if not self.is_exact:
            return nearest
        raise TransformError(
            f"the displacement cannot be inverted at {len(left)} of {len(goal)} "
            f"points, e.g. {np.round(goal[left[0]], 2).tolist()} mm: an error of "
            f"{last[left].max():.3g} mm is left after {_ITERATIONS} iterations. It is "
            "too steep there; use the inverse that the registration wrote."
        )


def described_lengths(vectors: Float[np.ndarray, "*space 3"]) -> str:
    """Mean and largest length of the vectors of a field in words."""
    lengths = np.linalg.norm(vectors, axis=-1)
    mean, largest = number(float(lengths.mean())), number(float(lengths.max()))
    return f"{mean} mm on average, {largest} mm at most"


def world_vectors(
    vectors: Float[np.ndarray, "*space d"], grid: Grid
) -> Float[np.ndarray, "*space 3"]:
    """Vectors of a field with three components, checked against the grid.

    Args:
        vectors: In mm; two components lie in the world's x and y.
        grid: Their grid.

    Returns:
        float32 if they were, otherwise float64.

    Raises:
        ValueError: If the shapes do not agree or a vector is not finite.
    """
    given = np.asarray(vectors)
    if given.dtype != np.float32:
        given = given.astype(np.float64)
    if given.shape[:-1] != grid.shape or given.shape[-1] not in (grid.ndim, 3):
        raise ValueError(
            f"a field on a grid of the shape {grid.shape} has vectors of the shape "
            f"{(*grid.shape, grid.ndim)}, got {given.shape}."
        )
    if not np.isfinite(given).all():
        raise ValueError("the field has vectors that are NaN or infinite.")
    if given.shape[-1] == 3:
        return given
    return np.concatenate([given, np.zeros_like(given[..., :1])], -1)


def determinant(
    points: Float[np.ndarray, "*space 3"], grid: Grid
) -> Float[np.ndarray, "*space"]:
    """Determinant of ∂φ/∂x by central differences, one-sided at the border.

    Args:
        points: φ at the voxels of the grid, mm. On a plane only what happens in it
            counts.
        grid: The grid.

    Returns:
        Local change of volume, dimensionless.
    """
    found = np.empty(grid.shape)
    depth = max(1, _CHUNK // int(np.prod(grid.shape[1:])))
    for begin in range(0, grid.shape[0], depth):
        # With the neighbours of the slab; its derivatives take 200 bytes a voxel.
        before, after = max(begin - 1, 0), begin + depth + 1
        index = grid.to_voxels(points[before:after])
        columns = [
            np.gradient(index, axis=axis)
            if size > 1
            else np.broadcast_to(np.eye(grid.ndim)[axis], index.shape)
            for axis, size in enumerate(grid.shape)
        ]
        slab = np.linalg.det(np.stack(columns, -1))
        found[begin : begin + depth] = slab[begin - before :][:depth]
    return found
