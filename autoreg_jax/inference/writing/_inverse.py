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
    is_known = np.empty(moving.shape, np.float32)
    for plane, vectors in enumerate(inverse):
        origins = fixed.to_voxels(moving.points(plane, plane + 1)[0] + vectors)
        is_known[plane] = is_inside(origins, fixed.shape)
    last = np.asarray(moving.shape) - 1
    errors = []
    for plane, vectors in enumerate(displacement):
        index = moving.to_voxels(fixed.points(plane, plane + 1)[0] + vectors)
        is_between = np.all((index > -_NONE) & (index < last + _NONE), axis=-1)
        counts = is_between & (sample_edge(is_known, index) > 1 - _NONE)
        parts = np.moveaxis(inverse, -1, 0)
        back = np.stack([sample_edge(part, index[counts]) for part in parts], -1)
        errors.append(np.linalg.norm(back + vectors[counts], axis=-1))
    error = np.concatenate(errors)
    if not error.size:
        return InverseError(None, None)
    return InverseError(float(error.mean()), float(error.max()))
