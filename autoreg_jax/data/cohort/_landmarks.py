"""Corresponding points of the subjects of a split."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from autoreg_jax.data.datasets import PairList, Subject, read_table
from autoreg_jax.errors import DataError
from autoreg_jax.geometry import Grid

__all__ = ["correspondence", "load_landmarks"]


def correspondence(
    subjects: Sequence[Subject], listed: PairList | None
) -> tuple[int, ...]:
    """A number for each subject, the same for those that a chain of pairs connects.

    Where no pairs are listed, it is the same for all images of a person.
    """
    names = [subject.name for subject in subjects]
    leader = {name: name for name in names}
    pairs = () if listed is None else listed.pairs
    if listed is None:
        first = {one.person or one.name: one.name for one in subjects}
        pairs = tuple((one.name, first[one.person or one.name]) for one in subjects)

    def root(name: str) -> str:
        while leader[name] != name:
            leader[name] = name = leader[leader[name]]
        return name

    for one, other in pairs:
        if one in leader and other in leader:
            leader[root(one)] = root(other)
    number = {name: place for place, name in enumerate(dict.fromkeys(map(root, names)))}
    return tuple(number[root(name)] for name in names)


def load_landmarks(
    subjects: Sequence[Subject],
    grid: Grid,
    matrices: Sequence[Float[np.ndarray, "4 4"]],
    groups: Sequence[int],
) -> tuple[Float[np.ndarray, "n k d"], tuple[int, ...] | None]:
    """Read corresponding landmarks as voxel coordinates of one grid.

    Each file is a CSV `name,x,y,z` in world millimetres, RAS+, the world of the NIfTI
    affine; for an image of one plane the position across the plane is ignored.
    Landmarks of the same name correspond, or of the same line where there are no names.

    Args:
        subjects: Subjects that all have a landmarks file.
        grid: The grid.
        matrices: World of the grid to world of the image, for each subject.
        groups: A number for each subject. If not all have the same landmarks, those of
            a group must.

    Returns:
        Voxel coordinates, float32, in the order of the first file (of a group), NaN
        where a group has fewer; and None, or the groups if landmarks correspond within
        them alone.

    Raises:
        DataError: If a file is not such a table, a landmark appears twice or lies
            outside of the grid, or the subjects have different landmarks.
    """
    tables = [
        _read(Path(str(subject.landmarks)), grid, matrix)
        for subject, matrix in zip(subjects, matrices, strict=True)
    ]
    is_one = all(table.keys() == tables[0].keys() for table in tables)
    if is_one or len(set(groups)) == len(subjects):
        groups = [0] * len(subjects)
    first: dict[int, int] = {}
    for place, group in enumerate(groups):
        other = first.setdefault(group, place)
        differing = sorted(tables[other].keys() ^ tables[place].keys())
        if differing:
            together = "all subjects of a split need the same landmarks"
            if len(set(groups)) > 1:
                together = "both images of a pair need the same landmarks"
            raise DataError(
                f"{subjects[place].landmarks}: the landmark {differing[0]!r} is either "
                f"in this file or in {subjects[other].landmarks}; {together}."
            )
    shape = len(subjects), max(map(len, tables)), grid.ndim
    points = np.full(shape, np.nan, np.float32)
    for place, group in enumerate(groups):
        names = tables[first[group]]
        points[place, : len(names)] = [tables[place][name] for name in names]
    return points, None if len(first) == 1 else tuple(groups)


def _read(
    path: Path, grid: Grid, matrix: Float[np.ndarray, "4 4"]
) -> dict[str, Float[np.ndarray, " d"]]:
    """Voxel coordinates by name."""
    to_voxels = np.linalg.inv(matrix @ grid.affine)
    limits = np.asarray(grid.shape) - 0.5
    points: dict[str, Float[np.ndarray, " d"]] = {}
    for number, (line, cells) in enumerate(read_table(path, (*"xyz",), ("name",)), 1):
        name = cells.get("name") or str(number)
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
