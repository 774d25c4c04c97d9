"""A stationary velocity on a grid: a deformation with an exact inverse."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from autoreg_jax.geometry import Grid
from autoreg_jax.transforms.links._displacement import (
    Displacement,
    described_lengths,
    world_vectors,
)

__all__ = ["Velocity"]

# Voxels: φ ≈ id + v / 2ⁿ holds for a step of this length.
_LARGEST_STEP = 1 / 8


@dataclass(frozen=True, eq=False)
class Velocity:
    """φ = exp(v), the flow of a stationary velocity for unit time.

    By scaling and squaring (Arsigny 2006): exp(v) = exp(v / 2ⁿ) composed with itself n
    times, with n such that the first step is below 1/8 voxel. What leaves the grid has
    the velocity of its edge.

    Attributes:
        vectors: v in world millimetres, `(*space, 3)`; two components mean a
            plane of x and y.
        grid: Where the vectors lie.

    Raises:
        ValueError: If the shapes do not agree or a vector is not finite.
    """

    vectors: Float[np.ndarray, "*space 3"]
    grid: Grid

    def __post_init__(self) -> None:
        object.__setattr__(self, "vectors", world_vectors(self.vectors, self.grid))

    def __repr__(self) -> str:
        return f"Velocity({self.description})"

    @property
    def description(self) -> str:
        """Grid and lengths in words."""
        lengths = described_lengths(self.vectors)
        return f"flow of a velocity on {self.grid.description}: {lengths}"

    @property
    def ndim(self) -> int:
        """2 for a velocity on and in a plane of the world's x and y, otherwise 3."""
        return self.displacement.ndim

    @cached_property
    def displacement(self) -> Displacement:
        """The displacement of exp(v), on the same grid; computed once."""
        length = np.linalg.norm(self.vectors, axis=-1).max() / min(self.grid.spacing)
        steps = int(np.ceil(np.log2(max(length / _LARGEST_STEP, 1))))
        points = self.grid.points()
        u = self.vectors.astype(np.float64) / 2**steps
        for _ in range(steps):
            u = u + Displacement(u, self.grid).extended(points + u)
        return Displacement(u, self.grid)

    def map(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Where the points are mapped to."""
        return self.displacement.map(points)

    def inverse(self) -> "Velocity":
        """The inverse map, exp(-v)."""
        return Velocity(-self.vectors, self.grid)
