"""Deformations that are known exactly: exponentials of stationary velocities.

NumPy and float64: this is the truth that a registration is compared with, so it is
computed on its own, not by the code that it judges. Everything is in voxels and follows
the pull-back convention, φ(x) = x + u(x).
"""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import map_coordinates

__all__ = ["compose", "exponential", "jacobian_determinant", "sample"]

# Voxels. φ ≈ id + v / 2ⁿ for a step of this length leaves an error of 0.01 voxel in the
# virtual population; half of it halves that.
LARGEST_STEP = 1 / 8


def exponential(
    velocity: Float[np.ndarray, "*space d"],
) -> Float[np.ndarray, "*space d"]:
    """Displacement of φ = exp(v), the flow of a stationary velocity for unit time.

    Scaling and squaring (Arsigny 2006): exp(v) = exp(v / 2ⁿ) composed with itself n
    times, with n such that the first step is below 1/8 voxel.

    Args:
        velocity: v, voxels. It should vanish at the border.

    Returns:
        u of φ(x) = x + u(x), voxels, float64. exp(-v) is the inverse of exp(v).

    Examples:
        >>> exponential(np.zeros((4, 4, 2))).any()
        np.False_
    """
    longest = float(np.linalg.norm(velocity, axis=-1).max())
    steps = int(np.ceil(np.log2(max(longest / LARGEST_STEP, 1))))
    displacement = velocity.astype(np.float64) / 2**steps
    for _ in range(steps):
        displacement = compose(displacement, displacement)
    return displacement


def compose(
    outer: Float[np.ndarray, "*space d"], inner: Float[np.ndarray, "*space d"]
) -> Float[np.ndarray, "*space d"]:
    """Displacement of φ_outer ∘ φ_inner: u(x) = inner(x) + outer(x + inner(x)).

    Args:
        outer: Displacement that is applied last to a point, voxels.
        inner: Displacement that is applied first, voxels.

    Returns:
        Voxels, float64.
    """
    space = inner.shape[:-1]
    coordinates = np.indices(space) + np.moveaxis(inner, -1, 0)
    components = [sample(outer[..., k], coordinates) for k in range(len(space))]
    return inner + np.stack(components, -1)


def sample(
    array: Float[np.ndarray, "*space"], coordinates: Float[np.ndarray, "d ..."]
) -> Float[np.ndarray, "..."]:
    """Linear interpolation; outside of the grid the value at its edge holds."""
    return map_coordinates(array, coordinates, np.float64, order=1, mode="nearest")


def jacobian_determinant(
    displacement: Float[np.ndarray, "*space d"],
) -> Float[np.ndarray, "*space"]:
    """Determinant of ∂φ/∂x by central differences (one-sided at the border).

    Args:
        displacement: u, voxels.

    Returns:
        Local change of volume, dimensionless; below zero the deformation folds.

    Examples:
        >>> float(jacobian_determinant(np.zeros((4, 4, 2))).min())
        1.0
    """
    axes = range(displacement.shape[-1])
    rows = [
        np.stack([np.gradient(displacement[..., k], axis=axis) for axis in axes], -1)
        for k in axes
    ]
    return np.linalg.det(np.stack(rows, -2) + np.eye(len(axes)))
