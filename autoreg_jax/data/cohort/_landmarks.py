"""Corresponding points of the subjects of a split."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from autoreg_jax.data.datasets import Subject, read_table
from autoreg_jax.errors import DataError
from autoreg_jax.geometry import Grid

__all__ = ["load_landmarks"]


def load_landmarks(
    subjects: Sequence[Subject],
    grid: Grid,
    matrices: Sequence[Float[np.ndarray, "4 4"]],
) -> Float[np.ndarray, "n k d"]:
    """Read corresponding landmarks as voxel coordinates of one grid.

    Each file is a CSV `name,x,y,z` in world millimetres, RAS+, the world of the NIfTI
    affine; for an image of one plane the position across the plane is ignored.
    Landmarks of the same name correspond.

    Args:
        subjects: Subjects that all have a landmarks file.
        grid: The grid.
        matrices: World of the grid to world of the image, for each subject.

    Returns:
        Voxel coordinates, float32, the k landmarks in the order of the first file.

    Raises:
        DataError: If a file is not such a table, a landmark appears twice or lies
            outside of the grid, or the subjects have different landmarks.
    """
    tables = [
        _read(Path(str(subject.landmarks)), grid, matrix)
        for subject, matrix in zip(subjects, matrices, strict=True)
    ]
    names = list(tables[0])
    for subject, table in zip(subjects, tables, strict=True):
        differing = sorted(set(names) ^ set(table))
        if differing:
            raise DataError(
                f"{subject.landmarks}: the landmark {differing[0]!r} is either in this "
                f"file or in {subjects[0].landmarks}; all subjects of a split need the "
                "same landmarks."
            )
    points = [[table[name] for name in names] for table in tables]
    return np.asarray(points, np.float32)


def _read(
    path: Path, grid: Grid, matrix: Float[np.ndarray, "4 4"]
) -> dict[str, Float[np.ndarray, " d"]]:
    """Voxel coordinates by name."""
    to_voxels = np.linalg.inv(matrix @ grid.affine)
    limits = np.asarray(grid.shape) - 0.5
    points: dict[str, Float[np.ndarray, " d"]] = {}
    for line, cells in read_table(path, ("name", "x", "y", "z")):
        name = cells["name"]
        where = f"{path}, line {line}, landmark {name!r}"
        try:
            world = [float(cells[axis]) for axis in "xyz"]
        except ValueError:
            raise DataError(f"{where}: x, y and z must be numbers.") from None
        voxel = (to_voxels @ [*world, 1.0])[: grid.ndim]
        if not np.all((voxel >= -0.5) & (voxel <= limits)):
            raise DataError(
                f"{where}: outside of the image, at the voxel "
                f"{np.round(voxel, 1).tolist()}; coordinates must be world "
                "millimetres, RAS+."
            )
        if name in points:
            raise DataError(f"{where}: appears twice; names must be unique.")
        points[name] = voxel
    return points
