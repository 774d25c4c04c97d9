"""How well a stored inverse displacement inverts a map."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from autoreg_jax.geometry import Grid, is_inside, sample_edge

__all__ = ["InverseError", "inverse_error"]

# Of a voxel, and of the share of neighbours that know no inverse: rounding.
_NONE = 1e-6


class InverseError(NamedTuple):
    """Inverse consistency: the length of ψ(φ(x)) - x at voxels x of the fixed image.

    ψ is the inverse as its file holds it, interpolated between the moving voxels. Those
    x count whose φ(x) lies between moving voxels that all come from the fixed image.

    Attributes:
        mean_mm: Mean, mm; None if there is no such voxel.
        max_mm: Largest value, mm; None likewise.
    """

    mean_mm: float | None
    max_mm: float | None


def inverse_error(
    displacement: Float[np.ndarray, "*space 3"],
    fixed: Grid,
    inverse: Float[np.ndarray, "*moving_space 3"],
    moving: Grid,
) -> InverseError:
    """Measure the inverse consistency of two displacements.

    Args:
        displacement: u of φ(x) = x + u(x) at the voxels of the fixed image, mm, RAS+.
        fixed: The grid of the fixed image.
        inverse: v of ψ(y) = y + v(y) at the voxels of the moving image.
        moving: The grid of the moving image.

    Returns:
        Mean and largest |u(x) + v(φ(x))|.
    """
    origins = fixed.to_voxels(moving.points() + inverse)
    is_known = is_inside(origins, fixed.shape).astype(np.float32)
    index = moving.to_voxels(fixed.points() + displacement)
    last = np.asarray(moving.shape) - 1
    is_between = np.all((index > -_NONE) & (index < last + _NONE), axis=-1)
    counts = is_between & (sample_edge(is_known, index) > 1 - _NONE)
    if not counts.any():
        return InverseError(None, None)
    back = [sample_edge(part, index[counts]) for part in np.moveaxis(inverse, -1, 0)]
    error = np.linalg.norm(np.stack(back, -1) + displacement[counts], axis=-1)
    return InverseError(float(error.mean()), float(error.max()))
