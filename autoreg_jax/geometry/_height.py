"""Slices that are looked up beside their plane."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float

from autoreg_jax.errors import ImageWarning
from autoreg_jax.geometry._volume import Volume

__all__ = ["check_height"]

_ROUNDING = 1e-3


def check_height(
    plane: Volume, points: Float[np.ndarray, "*n 3"], what: Path | str
) -> None:
    """Say that a slice is looked up beside its plane, where its height is ignored.

    Args:
        plane: An image of two axes; for one of three nothing is said.
        points: Where it is looked up, world mm.
        what: Whose points they are.

    Warns:
        ImageWarning: If a point is farther from the plane than half a slice.
    """
    if plane.ndim == 3:
        return
    away = float(np.abs(plane.grid.heights(points)).max())
    half = float(np.linalg.norm(plane.affine[:3, 2])) / 2
    if away > half * (1 + _ROUNDING):
        warnings.warn(
            f"{what} is up to {away:.4g} mm beside the plane of the slice "
            f"{plane.path or 'that moves'}, whose voxels are {2 * half:.4g} mm thick; "
            "the distance is ignored, as slices are compared as pictures. Use volumes "
            "if it matters.",
            ImageWarning,
            stacklevel=3,
        )
