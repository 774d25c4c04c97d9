"""Reads images, with errors that say what is wrong and what to do."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Num

from autoreg_jax.data.images._given import Image, open_image
from autoreg_jax.data.images._stored import open_stored
from autoreg_jax.errors import DataError, GeometryError
from autoreg_jax.geometry import Volume

__all__ = [
    "check_grid",
    "finite",
    "one_channel",
    "read_grid",
    "read_image",
    "read_vectors",
]


def read_image(image: Image) -> Volume:
    """Read an image, from a file or from memory.

    Args:
        image: A file with one channel, 2-D or 3-D: NIfTI (`.nii`, `.nii.gz`, plain or
            compressed whatever the name says), FreeSurfer (`.mgz`, `.mgh`), or, with
            SimpleITK, `.nrrd`, `.nhdr`, `.mha` or `.mhd`. Or an image of nibabel,
            SimpleITK or ANTs, or a pair of a NumPy array and its affine, RAS+. A
            `Volume` is returned as it is.

    Returns:
        The intensities as stored, float32. A single plane becomes a 2-D array.

    Warns:
        ImageWarning: If the header leaves open where the image lies.

    Raises:
        DataError: If there is no such file, it is not a readable image, has more than
            three axes, or holds NaN or infinite voxels.
        GeometryError: If its affine is singular or not finite.
    """
    if isinstance(image, Volume):
        return image
    stored = open_image(image)
    array = finite(_single(stored.array), stored.path)
    array = one_channel(array, stored.path)
    return Volume(array, stored.affine, stored.file, stored.space, stored.stated)


def read_vectors(path: Path | str) -> Float[np.ndarray, "*space d"]:
    """Read a vector field as `write_displacement` stores it.

    Args:
        path: A `.nii` or `.nii.gz` file, `(x, y, z, 1, d)` or `(x, y, z, d)`.

    Returns:
        `(x, y, z, 3)` or `(x, y, 2)` float32, in the units of the file.

    Raises:
        DataError: As `read_image`, and if the length of the last axis is not the number
            of spatial axes.
        GeometryError: If its affine is singular or not finite.
    """
    path = Path(path)
    array = finite(_single(open_stored(path).array), path)
    shape = array.shape
    space = shape[:2] if shape[2:3] == (1,) else shape[:3]
    if (
        len(shape) < 3
        or shape[-1] != len(space)
        or array.size != np.prod((*space, len(space)))
    ):
        raise DataError(
            f"{path}: a vector field must have the shape (x, y, z, 1, 3), or "
            f"(x, y, 1, 1, 2) in a plane; found {shape}."
        )
    return array.reshape(*space, len(space))


def read_grid(path: Path) -> Volume:
    """Read only the header of an image: a volume of zeros that takes no memory.

    Raises:
        DataError: If there is no such file or its header is not that of an image.
        GeometryError: If its affine is singular or not finite.
    """
    stored = open_stored(path, voxels=False)
    array = one_channel(stored.array, path)
    return Volume(array, stored.affine, path, stored.space, stored.stated)


def check_grid(volume: Volume, other: Volume, rule: str) -> None:
    """Refuse a volume that is not on the grid of another.

    Raises:
        GeometryError: If their grids differ by more than rounding; the message contains
            the rule that is broken.
    """
    if volume.shape != other.shape:
        raise GeometryError(
            f"{volume.path} has the shape {volume.shape}, {other.path} has "
            f"{other.shape}: {rule}."
        )
    if not other.grid.matches(volume.grid):
        distance = other.grid.distance(volume.grid)
        raise GeometryError(
            f"{volume.path} lies {distance * min(other.spacing):.3g} mm away from "
            f"{other.path} by their affines: {rule}, or correct its header."
        )


def finite(array: Num[np.ndarray, "..."], path: Path) -> Num[np.ndarray, "..."]:
    """The array; refused if a voxel is NaN or infinite."""
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise DataError(
            f"{path}: {bad} of {array.size} voxels are NaN or infinite; replace them "
            "with a number, for example the background."
        )
    return array


def one_channel(array: Num[np.ndarray, "..."], path: Path) -> Num[np.ndarray, "..."]:
    """Drop trailing axes of length one; two or three axes must be left."""
    shape = array.shape
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (2, 3):
        raise DataError(
            f"{path}: an image must have two or three axes and one channel; found the "
            f"shape {array.shape}. Extract one volume of it."
        )
    return array.reshape(shape)


def _single(array: Num[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """As float32; a value beyond it becomes infinite."""
    with np.errstate(over="ignore"):
        return array.astype(np.float32)
