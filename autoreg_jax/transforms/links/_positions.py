"""Positions at the voxels of a grid, as SPM and NiftyReg store a deformation."""

import numpy as np
from jaxtyping import Float

from autoreg_jax.geometry import Grid
from autoreg_jax.transforms.links._affine import Affine

__all__ = ["linear_fit", "nearest_affine"]

# Voxels that are enough to fit a matrix to.
_ENOUGH = 200_000


def linear_fit(
    vectors: Float[np.ndarray, "*space d"], grid: Grid
) -> Float[np.ndarray, "d 4"]:
    """The matrix that is nearest to vectors as a function of the world.

    Args:
        vectors: At the voxels of the grid; not finite where nothing is known.
        grid: The voxels.

    Returns:
        M with v(p) ≈ M (p, 1) by least squares. Axes of one voxel, and the axis across
        a plane, contribute nothing.
    """
    flat = vectors.reshape(-1, vectors.shape[-1])
    index = np.flatnonzero(np.isfinite(flat).all(-1))
    index = index[:: max(1, len(index) // _ENOUGH)]
    if not len(index):
        return np.zeros((vectors.shape[-1], 4))
    voxels = np.stack(np.unravel_index(index, grid.shape), -1)
    design = np.column_stack([voxels, np.ones(len(index))])
    fitted = np.linalg.lstsq(design, flat[index].astype(np.float64), rcond=None)[0]
    matrix = np.zeros((vectors.shape[-1], 4))
    matrix[:, [*range(grid.ndim), 3]] = fitted.T
    return matrix @ np.linalg.inv(grid.affine)


def nearest_affine(
    positions: Float[np.ndarray, "*space d"], grid: Grid
) -> Affine | None:
    """The affine map that is nearest to a deformation, by least squares.

    Args:
        positions: Where each voxel of the grid is mapped to, world mm, RAS+; not finite
            where the deformation says nothing.
        grid: The voxels.

    Returns:
        The map, of the plane if there are two components; None if the voxels do not
        determine an invertible one.
    """
    matrix = np.eye(4)
    d = positions.shape[-1]
    matrix[:d] = linear_fit(positions, grid)
    if grid.ndim == 2 and d == 3:
        # Across the plane nothing is known: it stays as it is.
        normal = np.cross(grid.affine[:3, 0], grid.affine[:3, 1])
        normal /= np.linalg.norm(normal)
        matrix[:3, :3] += np.outer(normal - matrix[:3, :3] @ normal, normal)
        middle = grid.centre
        there = np.nanmean(positions.reshape(-1, 3), axis=0)
        matrix[:3, 3] = there - matrix[:3, :3] @ middle
    kept = [0, 1, 3] if d == 2 else [0, 1, 2, 3]
    try:
        return Affine(matrix[np.ix_(kept, kept)])
    except ValueError:
        return None
