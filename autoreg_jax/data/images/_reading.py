"""Reads NIfTI files, and says what is wrong with those that cannot be used."""

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

__all__ = ["check_file", "read_grid", "read_image", "read_labels", "read_vectors"]

UNREADABLE = (
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


def read_labels(path: Path | str) -> Volume:
    """Read a label map.

    Args:
        path: A `.nii` or `.nii.gz` file; a floating-point file is fine as long as
            every voxel is a whole number.

    Returns:
        The labels as stored, int32.

    Raises:
        DataError: As `read_image`, and if a voxel is negative or not a whole number.
        GeometryError: If its affine is singular or not finite.
    """
    path = Path(path)
    array, affine = _read(path)
    array = _one_channel(array, path)
    wrong = array[(array != np.round(array)) | (array < 0) | (array >= 2**24)]
    if wrong.size:
        raise DataError(
            f"{path}: {wrong.size} voxels are no labels, {wrong[0]:g} among them; a "
            "label map holds whole numbers from 0. Is this an image, or was it "
            "resampled with linear instead of nearest-neighbour interpolation?"
        )
    return Volume(array.astype(np.int32), affine, path)


def read_vectors(path: Path | str) -> Float[np.ndarray, "*space d"]:
    """Read a field of vectors as `write_displacement` stores it.

    Args:
        path: A `.nii` or `.nii.gz` file, `(x, y, z, 1, d)` or `(x, y, z, d)`.

    Returns:
        `(x, y, z, 3)` or `(x, y, 2)` float32, in the units of the file.

    Raises:
        DataError: As `read_image`, and if the last axis is not the number of axes.
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
            f"{path}: a field of vectors has the shape (x, y, z, 1, 3), or "
            f"(x, y, 1, 1, 2) in a plane; found {shape}."
        )
    return array.reshape(*space, len(space))


def read_grid(path: Path) -> tuple[Num[np.ndarray, "*space"], Float[np.ndarray, "4 4"]]:
    """Read the header of an image alone.

    Args:
        path: A `.nii` or `.nii.gz` file with one channel, 2-D or 3-D.

    Returns:
        An array of the shape of the image, without values and without memory, and the
        affine.

    Raises:
        DataError: If there is no such file or its header is not that of an image.
        GeometryError: If its affine is singular or not finite.
    """
    _check_name(path)
    try:
        with warnings.catch_warnings(action="ignore"):
            image = Nifti1Image.from_filename(path)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    _check_voxels(image.shape, path)
    empty = np.broadcast_to(np.zeros((), np.uint8), image.shape)
    return _one_channel(empty, path), _affine(image, path)


def check_file(path: Path, where: str) -> None:
    """Make sure that a path names an existing file.

    Args:
        path: The path.
        where: What refers to it, the beginning of the message.

    Raises:
        DataError: If there is nothing, or a directory.
    """
    if path.is_dir():
        raise DataError(f"{where}: {path} is a directory; a file is needed.")
    if not path.is_file():
        raise DataError(f"{where}: {path} does not exist; correct the path.")


def _read(path: Path) -> tuple[Num[np.ndarray, "..."], Float[np.ndarray, "4 4"]]:
    """Load all voxels as float32 and the affine."""
    _check_name(path)
    try:
        content = path.read_bytes()
        if path.name.lower().endswith(".gz"):
            # The whole stream, for its checksum: nibabel stops after the last voxel.
            content = gzip.decompress(content)
        # What nibabel and NumPy warn of is either harmless or found below.
        with warnings.catch_warnings(action="ignore"):
            image = Nifti1Image.from_bytes(content)
            _check_voxels(image.shape, path)
            _check_length(image, len(content))
            stored = np.asanyarray(image.dataobj)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    if stored.dtype.kind not in "iuf":
        raise DataError(
            f"{path}: voxels of type {stored.dtype} have no single grey value; convert "
            "the image to one number a voxel."
        )
    # A value beyond float32 becomes infinite and is reported below.
    with np.errstate(over="ignore"):
        array = stored.astype(np.float32)
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise DataError(
            f"{path}: {bad} of {array.size} voxels are NaN or infinite; replace them "
            "by a number, for example the background."
        )
    return array, _affine(image, path)


def _check_name(path: Path) -> None:
    """Refuse what is not there, and other formats."""
    check_file(path, "image file")
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
        raise ValueError(f"{needed} bytes are needed and {length} are there")


def _check_voxels(shape: tuple[int, ...], path: Path) -> None:
    if not shape or min(shape) < 1:
        raise DataError(
            f"{path}: the image has no voxels, its shape is {shape}; export it again."
        )


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())
    return DataError(
        f"{path}: not a readable NIfTI image ({reason}); it may be truncated or of "
        "another format. Copy or convert it again."
    )


def _affine(image: Nifti1Image, path: Path) -> Float[np.ndarray, "4 4"]:
    """Voxels to world, which must be a volume."""
    affine = np.asarray(image.affine, np.float64)
    try:
        return homogeneous(affine)
    except ValueError:
        raise GeometryError(
            f"{path}: the affine must be finite and invertible, got "
            f"{affine.tolist()}; repair the sform or qform of the header."
        ) from None


def _one_channel(array: Num[np.ndarray, "..."], path: Path) -> Num[np.ndarray, "..."]:
    """Drop trailing axes of one and refuse what has more than three left."""
    shape = array.shape
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (2, 3):
        raise DataError(
            f"{path}: an image has two or three axes and one channel; found the shape "
            f"{array.shape}. Extract one volume of it."
        )
    return array.reshape(shape)
