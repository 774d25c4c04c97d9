"""AFNI ignores obliquity, so that its millimetres may not be those of the world."""

import numpy as np

from autoreg_jax.geometry import Grid

__all__ = ["refuse_oblique"]

# Of a cosine: what float32 and a quaternion leave of an axis along R, A or S.
_ROUNDING = 1e-3


def refuse_oblique(grid: Grid) -> None:
    """Refuse a grid whose axes are not along R, A and S.

    Raises:
        ValueError: If an axis points elsewhere.
    """
    axes = grid.affine[:3, : grid.ndim] / np.asarray(grid.spacing)
    cosines = np.abs(axes)
    if np.any(np.minimum(cosines, 1 - cosines) > _ROUNDING):
        raise ValueError(
            "AFNI treats an oblique image as if its axes were along R, A and S, and an "
            "image here is oblique; remove the obliquity (3dWarp -deoblique), register "
            "again, and give those images."
        )
