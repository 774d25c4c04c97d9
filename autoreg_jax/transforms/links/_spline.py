"""A displacement by cubic B-splines, as ITK and NiftyReg have it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from autoreg_jax.display import by
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms.links._displacement import (
    Displacement,
    InverseDisplacement,
    world_vectors,
)

__all__ = ["Spline"]

# A cubic B-spline needs two control points on either side of a point.
_MARGIN = 1
# Control points apart: rounding at the border.
_ROUNDING = 1e-6
# Samples between two control points, where folds are looked for.
_FINER = 2


@dataclass(frozen=True, eq=False)
class Spline:
    """φ(p) = p + Σ cₖ B³(p - k), with coefficients at the control points of a grid.

    φ is the identity where a control point that the sum needs is missing, which begins
    one control point inside of the border; ITK does the same.

    Attributes:
        coefficients: c in world millimetres, `(*space, 3)`; two components mean a plane
            of x and y.
        knots: Where the control points lie.

    Raises:
        ValueError: If the shapes do not agree, a coefficient is not finite, or an axis
            has fewer than four control points.
    """

    coefficients: Float[np.ndarray, "*space 3"]
    knots: Grid

    def __post_init__(self) -> None:
        checked = world_vectors(self.coefficients, self.knots)
        object.__setattr__(self, "coefficients", checked)
        if min(self.knots.shape) < 4:
            raise ValueError(
                "cubic B-splines need four control points along each axis, found "
                f"{self.knots.shape}."
            )

    def __repr__(self) -> str:
        return f"Spline({self.description})"

    @property
    def description(self) -> str:
        """Control points in words."""
        count, apart = by(self.knots.shape), by(self.knots.spacing)
        return f"cubic B-splines, {count} control points {apart} mm apart"

    @property
    def ndim(self) -> int:
        """2 for splines on and in a plane of the world's x and y, otherwise 3."""
        return Displacement(self.coefficients, self.knots).ndim

    def map(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Where the points are mapped to."""
        return points + np.where(
            self.contains(points)[..., None], self.extended(points), 0
        )

    def contains(self, points: Float[np.ndarray, "*n 3"]) -> Bool[np.ndarray, "*n"]:
        """Whether the splines say something about points."""
        index = self.knots.to_voxels(points)
        low, high = self._region()
        return np.all((index >= low - _ROUNDING) & (index <= high + _ROUNDING), axis=-1)

    def extended(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """U at the points; beyond the splines the value at their border."""
        index = np.clip(self.knots.to_voxels(points), *self._region())
        where = np.moveaxis(index, -1, 0)
        parts = [
            ndimage.map_coordinates(
                part, where, np.float64, order=3, mode="nearest", prefilter=False
            )
            for part in np.moveaxis(self.coefficients, -1, 0)
        ]
        return np.stack(parts, -1)

    @cached_property
    def sampled(self) -> Displacement:
        """The displacement on a grid twice as fine, to find folds."""
        low, high = self._region()
        affine = self.knots.affine.copy()
        affine[:3, 3] = self.knots.to_world(low)
        affine[:3, : len(low)] /= _FINER
        shape = tuple(((high - low) * _FINER).astype(int) + 1)
        grid = Grid(shape, affine)
        return Displacement(self.extended(grid.points()), grid)

    def inverse(self) -> InverseDisplacement:
        """The inverse map, which is solved for at each point where it is evaluated."""
        return InverseDisplacement(self)

    def _region(self) -> tuple[np.ndarray, np.ndarray]:
        """First and last control point between which the sum is complete."""
        high = np.asarray(self.knots.shape, np.float64) - 1 - _MARGIN
        return np.full(len(high), float(_MARGIN)), high
