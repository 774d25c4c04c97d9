"""Reads NIfTI files, with errors that say what is wrong and what to do."""

import gzip
import math
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Num
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Image
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from autoreg_jax.errors import DataError, GeometryError
from autoreg_jax.geometry import Volume, homogeneous

__all__ = [
    "check_grid",
    "read_grid",
    "read_image",
    "read_labels",
    "read_mask",
    "read_vectors",
]


_UNREADABLE = (
    EOFError,  # a truncated gzip stream
    HeaderDataError,
    ImageFileError,
    OSError,  # not a gzip file, no permission
    OverflowError,  # an offset beyond any file
    ValueError,  # fewer bytes than the header promises
    WrapStructError,
    zlib.error,
)


def read_image(path: Path | str) -> Volume:
    """Read an image.

    Args:
        path: A `.nii` or `.nii.gz` file with one channel, 2-D or 3-D.

    Returns:
        The intensities as stored, float32. A single plane becomes a 2-D array.

    Raises:
        DataError: If there is no such file, it is not a readable NIfTI image, has more
            than three axes, or holds NaN or infinite voxels.
        GeometryError: If its affine is singular or not finite.
    """
    array, affine = _read(Path(path))
    return Volume(_one_channel(array, Path(path)), affine, Path(path))


def read_labels(path: Path | str, image: Volume | None = None) -> Volume:
    """Read a label map.

    Args:
        path: A `.nii` or `.nii.gz` file; a floating-point file is fine as long as
            every voxel is a whole number.
        image: The image that it labels; the map must be on its grid and not empty.

    Returns:
        The labels as stored, int32.

    Raises:
        DataError: As `read_image`, and if a voxel is negative or not a whole number, or
            all voxels are background.
        GeometryError: If its affine is singular or not finite, or it is on another grid
            than the image.
    """
    path = Path(path)
    array, affine = _read(path)
    array = _one_channel(array, path)
    wrong = array[(array != np.round(array)) | (array < 0) | (array >= 2**24)]
    if wrong.size:
        raise DataError(
            f"{path}: {wrong.size} voxels are not valid labels (e.g. {wrong[0]:g}); a "
            "label map contains whole numbers from 0. Is this an image, or was it "
            "resampled with linear instead of nearest-neighbour interpolation?"
        )
    labels = Volume(array.astype(np.int32), affine, path)
    if image is not None:
        _check_companion(labels, image, "label map")
    return labels


def read_mask(path: Path, image: Volume) -> Volume:
    """Read the mask of an image; it is not 0 inside.

    Raises:
        DataError: As `read_image`, and if the mask is empty.
        GeometryError: If its affine is singular or not finite, or it is on another grid
            than the image.
    """
    mask = read_image(path)
    _check_companion(mask, image, "mask")
    return mask


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
    array, _ = _read(path)
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
    _check_name(path)
    try:
        with warnings.catch_warnings(action="ignore"):
            image = Nifti1Image.from_filename(path)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    _check_voxels(image.shape, path)
    empty = np.broadcast_to(np.zeros((), np.uint8), image.shape)
    return Volume(_one_channel(empty, path), _affine(image, path), path)


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


def _check_companion(volume: Volume, image: Volume, kind: str) -> None:
    """Refuse a label map or mask on another grid than its image, or an empty one."""
    rule = f"a {kind} must be on the grid of its image"
    check_grid(
        volume, image, f"{rule}; resample it with nearest-neighbour interpolation"
    )
    if not volume.array.any():
        raise DataError(
            f"{volume.path}: the {kind} of {image.path} is empty, all voxels are "
            "background, 0; correct it, or leave it out."
        )


def _read(path: Path) -> tuple[Num[np.ndarray, "..."], Float[np.ndarray, "4 4"]]:
    """Load all voxels as float32 and the affine."""
    _check_name(path)
    try:
        content = path.read_bytes()
        if path.name.lower().endswith(".gz"):
            # The whole stream, for its checksum: nibabel stops after the last voxel.
            content = gzip.decompress(content)
        # Warnings of nibabel and NumPy are either harmless or found below.
        with warnings.catch_warnings(action="ignore"):
            image = Nifti1Image.from_bytes(content)
            _check_voxels(image.shape, path)
            _check_length(image, len(content))
            stored = np.asanyarray(image.dataobj)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    if stored.dtype.kind not in "iuf":
        raise DataError(
            f"{path}: voxels of type {stored.dtype} have no single grey value; convert "
            "the image to one number per voxel."
        )
    # A value beyond float32 becomes infinite and is reported below.
    with np.errstate(over="ignore"):
        array = stored.astype(np.float32)
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise DataError(
            f"{path}: {bad} of {array.size} voxels are NaN or infinite; replace them "
            "with a number, for example the background."
        )
    return array, _affine(image, path)


def _check_name(path: Path) -> None:
    """Refuse missing files and other formats."""
    if not path.is_file():
        found = "is a directory" if path.is_dir() else "does not exist"
        raise DataError(f"image file: {path} {found}; correct the path.")
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise DataError(
            f"{path}: only NIfTI files, .nii or .nii.gz, can be read; convert it first."
        )


def _check_length(image: Nifti1Image, length: int) -> None:
    """Refuse a header that promises more than the file has, before memory is taken."""
    proxy: Any = image.dataobj
    needed = math.prod(map(int, proxy.shape)) * proxy.dtype.itemsize
    needed += int(proxy.offset)
    if needed > length:
        raise ValueError(f"{needed} bytes are needed, {length} are present")


def _check_voxels(shape: tuple[int, ...], path: Path) -> None:
    if not shape or min(shape) < 1:
        raise DataError(
            f"{path}: the image has no voxels, its shape is {shape}; export it again."
        )


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())
    return DataError(
        f"{path}: not a readable NIfTI image ({reason}); it may be truncated or in "
        "another format. Copy or convert it again."
    )


def _affine(image: Nifti1Image, path: Path) -> Float[np.ndarray, "4 4"]:
    """Voxel indices to world; it must be invertible."""
    affine = np.asarray(image.affine, np.float64)
    try:
        return homogeneous(affine)
    except ValueError:
        raise GeometryError(
            f"{path}: the affine must be finite and invertible, got "
            f"{affine.tolist()}; repair the sform or qform of the header."
        ) from None


def _one_channel(array: Num[np.ndarray, "..."], path: Path) -> Num[np.ndarray, "..."]:
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
