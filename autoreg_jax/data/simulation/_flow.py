"""Deformations that are known exactly: exponentials of stationary velocities.

NumPy and float64. This is the ground truth of registrations, so it does not share code
with what it judges. Everything is in voxels and follows the pull-back convention,
φ(x) = x + u(x).
"""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import map_coordinates

__all__ = ["compose", "exponential", "sample", "true_displacement"]

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
    """Displacement of φ_outer ∘ φ_inner: u(x) = inner(x) + outer(x + inner(x))."""
    space = inner.shape[:-1]
    coordinates = np.indices(space) + np.moveaxis(inner, -1, 0)
    components = [sample(outer[..., k], coordinates) for k in range(len(space))]
    return inner + np.stack(components, -1)


def sample(
    array: Float[np.ndarray, "*space"], coordinates: Float[np.ndarray, "d ..."]
) -> Float[np.ndarray, "..."]:
    """Linear interpolation; outside of the grid the value at its edge holds."""
    return map_coordinates(array, coordinates, np.float64, order=1, mode="nearest")


def true_displacement(
    moving: Float[np.ndarray, "*space d"], fixed: Float[np.ndarray, "*space d"]
) -> Float[np.ndarray, "*space d"]:
    """Deformation between two simulated subjects.

    Subject i is the template at φ_i = exp(v_i). So moving(ψ(x)) shows the anatomy of
    fixed(x) for ψ = φ_moving⁻¹ ∘ φ_fixed, and φ⁻¹ = exp(-v).

    Args:
        moving: Velocity of the moving subject, voxels.
        fixed: Velocity of the fixed subject, voxels.

    Returns:
        u of ψ(x) = x + u(x), voxels, float32.
    """
    return compose(exponential(-moving), exponential(fixed)).astype(np.float32)
