"""What motion correction leaves: the result and its files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from autoreg_jax.data import Series, write_series, write_volume
from autoreg_jax.files import together, write_json, write_text
from autoreg_jax.geometry import Volume
from autoreg_jax.inference.writing import write_map
from autoreg_jax.transforms import Transform
from autoreg_jax.workflows.cohorts._motion import (
    COLUMNS,
    framewise_displacement,
    motion_parameters,
)

__all__ = ["CorrectedSeries", "write_corrected"]

_OWN = re.compile(r"volume_\d{4,}_(affine\.mat|displacement\.nii\.gz)")
_UNITS = {"trans": "mm", "rot": "degree", "framewise": "mm"}


@dataclass(frozen=True, eq=False)
class CorrectedSeries:
    """A time series without motion.

    Attributes:
        series: The images in one position, on the grid of the given ones.
        mean: Their mean.
        transforms: From that position to each given image.
        motion: The linear part of these, `(t, 6)`: translations along R, A, S in mm and
            rotations about these axes in degrees, about the centre of the grid, see
            `motion.tsv` in `register_series`.
        framewise_displacement: Motion since the image before, mm, NaN for the first.
        summary: The content of `summary.json`.
        folder: Where all results are.
    """

    series: Series
    mean: Volume
    transforms: tuple[Transform, ...]
    motion: Float[np.ndarray, "t 6"]
    framewise_displacement: Float[np.ndarray, " t"]
    summary: dict[str, Any]
    folder: Path


def write_corrected(
    folder: Path,
    series: Series,
    transforms: Sequence[Transform],
    matrices: Mapping[str, Float[np.ndarray, "4 4"]],
    summary: dict[str, Any],
) -> CorrectedSeries:
    """Move the images, and write all results or none.

    Args:
        folder: Of the results.
        series: As it was given.
        transforms: From the common position to each image.
        matrices: Their linear parts, by the names of the images.
        summary: What was done; the displacements are added.
    """
    grid = series.grid
    array = np.empty_like(series.array)
    for index, transform in enumerate(transforms):
        array[..., index] = transform.apply(series.array[..., index], grid, grid)
    corrected = replace(series, array=array, path=None)
    mean = Volume(array.mean(-1), series.affine, space=series.space)
    motion = motion_parameters([*matrices.values()], grid.centre)
    moved = framewise_displacement(motion)
    summary["framewise_displacement_mean"] = float(np.nanmean(moved))
    summary["framewise_displacement_max"] = float(np.nanmax(moved))
    written: set[Path] = set()
    with together():
        write_series(folder / "corrected.nii.gz", corrected)
        write_volume(folder / "mean.nii.gz", mean)
        for name, transform in zip(matrices, transforms, strict=True):
            path = folder / "transforms" / name
            follows = path.with_name(f"{name}_affine.mat")
            if summary["deformable"]:
                field = path.with_name(f"{name}_displacement.nii.gz")
                written |= {*write_map(transform, grid, field, follows)}
            else:
                written.add(Transform.affine(matrices[name]).write(follows))
        _write_motion(folder, np.column_stack([motion, moved]))
        write_json(folder / "summary.json", summary)
    for path in (folder / "transforms").glob("volume_*"):
        # Of an earlier series: it would be taken for a part of this one.
        if path not in written and _OWN.fullmatch(path.name):
            path.unlink()
    return CorrectedSeries(
        corrected, mean, tuple(transforms), motion, moved, summary, folder
    )


def _write_motion(folder: Path, rows: Float[np.ndarray, "t 7"]) -> None:
    """The table, and what its columns count, as BIDS has it."""
    columns = (*COLUMNS, "framewise_displacement")
    lines = [["n/a" if np.isnan(x) else f"{x:.6f}" for x in row] for row in rows]
    text = "\n".join("\t".join(cells) for cells in (columns, *lines))
    write_text(folder / "motion.tsv", text + "\n")
    units = {name: {"Units": _UNITS[name.partition("_")[0]]} for name in columns}
    write_json(folder / "motion.json", units)
