"""Motion in numbers: the mean position, parameters, framewise displacement."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy import linalg
from scipy.spatial.transform import Rotation

from autoreg_jax.geometry import Grid

__all__ = [
    "COLUMNS",
    "framewise_displacement",
    "mean_map",
    "motion_parameters",
    "moved_grid",
]

COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")

# The mean of maps that do not commute is found by repeating, to this many mm.
_ROUNDS, _SMALL = 20, 1e-10
# Radius of a head, on which a rotation becomes a distance (Power et al., 2012), mm.
_RADIUS = 50.0


def mean_map(
    matrices: Sequence[Float[np.ndarray, "4 4"]],
) -> Float[np.ndarray, "4 4"]:
    """The map in the middle of others that are not far from each other.

    The M for which the logarithms of the A M⁻¹ have the mean 0: the mean of rigid maps
    is rigid, and every map has the same weight (Alexa, SIGGRAPH 2002).

    Args:
        matrices: Affine maps, less than half a turn apart.

    Examples:
        >>> forth, back = np.eye(4), np.eye(4)
        >>> forth[0, 3], back[0, 3] = 3, -1
        >>> mean_map([forth, back])[0].tolist()
        [1.0, 0.0, 0.0, 1.0]
    """
    mean = np.asarray(matrices[0], np.float64)
    for _ in range(_ROUNDS):
        inverse = np.linalg.inv(mean)
        logarithms = [np.real(np.asarray(linalg.logm(m @ inverse))) for m in matrices]
        step = np.mean(logarithms, 0)
        mean = linalg.expm(step) @ mean
        if np.abs(step).max() < _SMALL:
            break
    mean[3] = [0, 0, 0, 1]
    return mean


def moved_grid(grid: Grid, matrix: Float[np.ndarray, "4 4"]) -> Grid:
    """A grid that follows its centre under a map, by whole voxels.

    Scans of one person may lie far apart by their headers: so the grid of one of them
    still shows the mean of all.

    Args:
        grid: Of an image.
        matrix: From its world to that of the mean, mm.

    Examples:
        >>> away = np.eye(4)
        >>> away[:3, 3] = 10.4, 0.3, -3
        >>> moved_grid(Grid((8, 8, 8), np.eye(4)), away).affine[:3, 3].tolist()
        [10.0, 0.0, -3.0]
    """
    centre = matrix[:3, :3] @ grid.centre + matrix[:3, 3]
    away = np.rint(grid.to_voxels(centre) - grid.to_voxels(grid.centre))
    affine = np.array(grid.affine, np.float64)
    affine[:3, 3] += grid.vectors_to_world(away)
    return replace(grid, affine=affine)


def motion_parameters(
    matrices: Sequence[Float[np.ndarray, "4 4"]], centre: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "t 6"]:
    """Translations and rotations of maps about a point, in mm and degrees.

    x ↦ c + R (x - c) + t in the world, R, A, S, with R = R_z R_y R_x, each a rotation
    by the right-hand rule about an axis through c. Of an affine map R is the rotation
    nearest to its linear part (polar decomposition).

    Args:
        matrices: From the mid-space to each image.
        centre: c, mm.

    Returns:
        A row for each map, in the order of `COLUMNS`.

    Examples:
        >>> shift = np.eye(4)
        >>> shift[:3, 3] = 1, 2, 3
        >>> motion_parameters([shift], np.zeros(3)).tolist()
        [[1.0, 2.0, 3.0, 0.0, 0.0, 0.0]]
    """
    rows = []
    for matrix in matrices:
        shift = matrix[:3, :3] @ centre + matrix[:3, 3] - centre
        turn = linalg.polar(matrix[:3, :3])[0]
        angles = Rotation.from_matrix(turn).as_euler("xyz", degrees=True)
        rows.append([*shift, *angles])
    return np.array(rows)


def framewise_displacement(
    parameters: Float[np.ndarray, "t 6"],
) -> Float[np.ndarray, " t"]:
    """How far a head has moved since the image before, mm.

    The sum of the absolute changes of the six parameters, of a rotation the arc on a
    sphere of 50 mm (Power et al., NeuroImage 2012).

    Args:
        parameters: As from `motion_parameters`.

    Returns:
        A value for each image, NaN for the first.

    Examples:
        >>> rows = np.zeros((2, 6))
        >>> rows[1] = 1, -1, 0, 0, 0, 180 / np.pi
        >>> framewise_displacement(rows).round(6).tolist()
        [nan, 52.0]
    """
    lengths = parameters.copy()
    lengths[:, 3:] = _RADIUS * np.radians(parameters[:, 3:])
    return np.concatenate([[np.nan], np.abs(np.diff(lengths, axis=0)).sum(1)])
