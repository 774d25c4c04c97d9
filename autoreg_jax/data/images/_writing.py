"""Writes NIfTI files."""

import gzip
from pathlib import Path

import numpy as np
from jaxtyping import Float, Num
from nibabel.nifti1 import Nifti1Image

from autoreg_jax.files import write_bytes
from autoreg_jax.geometry import Volume

__all__ = ["write_displacement", "write_volume"]


def write_volume(path: Path | str, volume: Volume) -> Path:
    """Write an image or a label map.

    Whole numbers are stored in the smallest of uint8, int16 and int32 that holds them,
    everything else as float32. A 2-D array gets a third axis of one.

    Args:
        path: A name that ends in `.nii.gz` or `.nii`. Missing folders are made; an
            existing file is replaced at once, never half.
        volume: What to write.

    Returns:
        The path.

    Raises:
        ValueError: If the name has another ending or the array is not 2-D or 3-D.
    """
    array = volume.array
    if array.ndim not in (2, 3):
        raise ValueError(
            f"a volume has two or three axes, got the shape {array.shape}."
        )
    if array.ndim == 2:
        array = array[..., None]
    image = Nifti1Image(array.astype(_storage_type(array)), volume.affine)
    return _write_image(Path(path), image)


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
    return _write_image(Path(path), image)


def _write_image(path: Path, image: Nifti1Image) -> Path:
    """Serialise and write; the bytes depend on the content alone."""
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, code="aligned")
    image.set_qform(image.affine, code="aligned")
    if path.name.endswith(".nii.gz"):
        return write_bytes(path, gzip.compress(image.to_bytes(), 1, mtime=0))
    if path.name.endswith(".nii"):
        return write_bytes(path, image.to_bytes())
    raise ValueError(f"the name must end in .nii.gz or .nii, got {path.name!r}.")


def _storage_type(array: Num[np.ndarray, "..."]) -> type[np.generic]:
    """Smallest type of NIfTI that common readers know and that holds the values."""
    if array.dtype.kind == "b":
        return np.uint8
    if array.dtype.kind not in "iu":
        return np.float32
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    for kind in (np.uint8, np.int16):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return kind
    return np.int32
