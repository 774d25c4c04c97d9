"""Writes images in the format that the name says."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Num
from nibabel.freesurfer.mghformat import MGHImage
from nibabel.nifti1 import Nifti1Image

from autoreg_jax.data.images import _itk
from autoreg_jax.data.images._names import ENDINGS, FREESURFER, ITK, is_image_name
from autoreg_jax.files import compressed, write_bytes
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.nifti import put_on

__all__ = ["write_displacement", "write_volume"]


def write_volume(path: Path | str, volume: Volume) -> Path:
    """Write an image or a label map.

    Whole numbers are stored in the smallest of uint8, int16 and int32 that holds them,
    everything else as float32. A 2-D array gets a third axis of one.

    Args:
        path: A name that ends, in any case, as `read_image` knows it. Missing folders
            are made; an existing file is replaced at once, never half. `.mhd` and
            `.nhdr` have a second file for the voxels.
        volume: What to write. NIfTI gets its place as sform and, if it holds it, as
            qform, both with the code of `volume.space`, and lengths in mm.

    Returns:
        The path.

    Warns:
        ImageWarning: If ITK refuses the file because its axes are not at right angles.

    Raises:
        DataError: If the format needs SimpleITK, which is not installed.
        ValueError: If the name has another ending or the array is not 2-D or 3-D.
    """
    path, array = Path(path), volume.array
    if array.ndim not in (2, 3):
        raise ValueError(
            f"a volume has two or three axes, got the shape {array.shape}."
        )
    if array.ndim == 2:
        array = array[..., None]
    array: Any = array.astype(_storage_type(array))
    if path.name.lower().endswith(ITK):
        files = _itk.encode(path.name, array, volume.affine)
        for name, content in files.items():
            write_bytes(path.with_name(name), content)
        return path
    if path.name.lower().endswith(FREESURFER):
        return _write(path, MGHImage(array, volume.affine), ".mgz")
    return _write_nifti(path, Nifti1Image(array, volume.affine), volume.grid)


def write_displacement(
    path: Path | str,
    displacement_mm: Float[np.ndarray, "*space d"],
    affine: Float[np.ndarray, "4 4"],
) -> Path:
    """Write a field of vectors, one for each voxel of the fixed grid.

    The file is a five-axis NIfTI image with the intent `displacement vector` (1006),
    float32. ITK, and so Slicer, turns such vectors into its own axes L, P, S when it
    reads them; those of the intent `vector` (1007) it takes as they are.

    Args:
        path: A name that ends in `.nii.gz` or `.nii`.
        displacement_mm: World vectors in millimetres along R, A, S: `(x, y, z, 3)`, or
            `(x, y, 2)` in a plane.
        affine: Voxel indices of the fixed grid to world millimetres, RAS+.

    Returns:
        The path.

    Raises:
        ValueError: If the name has another ending or the shape is of neither form.
    """
    space, dimensions = displacement_mm.shape[:-1], displacement_mm.shape[-1]
    if dimensions not in (2, 3) or len(space) != dimensions:
        raise ValueError(
            f"the shape is (x, y, z, 3) or (x, y, 2), got {displacement_mm.shape}."
        )
    stored = displacement_mm.astype(np.float32)
    stored = stored.reshape(*space, *(1,) * (4 - dimensions), dimensions)
    image = Nifti1Image(stored, affine)
    image.header.set_intent("displacement vector")
    return _write_nifti(Path(path), image, Grid(space, affine))


def _write_nifti(path: Path, image: Nifti1Image, grid: Grid) -> Path:
    if not path.name.lower().endswith((".nii.gz", ".nii")):
        known = ENDINGS if not is_image_name(path) else (".nii.gz", ".nii")
        raise ValueError(
            f"the name must end in {' or '.join(known)}, got {path.name!r}."
        )
    put_on(image, grid, path)
    return _write(path, image, ".gz")


def _write(path: Path, image: MGHImage | Nifti1Image, ending: str) -> Path:
    """Write; compressed if the name has this ending."""
    content = image.to_bytes()
    if path.name.lower().endswith(ending):
        is_float = np.dtype(image.get_data_dtype()).kind == "f"
        content = compressed(content, is_float=is_float)
    return write_bytes(path, content)


def _storage_type(array: Num[np.ndarray, "..."]) -> type[np.generic]:
    """Smallest type that common readers know and that holds the values."""
    if array.dtype.kind == "b":
        return np.uint8
    if array.dtype.kind not in "iu":
        return np.float32
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    for kind in (np.uint8, np.int16):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return kind
    return np.int32
