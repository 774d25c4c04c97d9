"""Label maps and masks: whole numbers, exactly; where a mask is inside."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Int, Num

from autoreg_jax.data.images._given import Image, open_image
from autoreg_jax.data.images._reading import check_grid, finite, one_channel
from autoreg_jax.errors import DataError, ImageWarning
from autoreg_jax.geometry import Volume

__all__ = ["read_labels", "read_mask"]

# Labels are int32; a float32 has the limit itself, and not the number below it.
_LIMIT = 2**31
# Scaling in single precision turns 3 into 2.9999995; interpolation does more.
_ROUNDING, _FLOAT32 = 1e-4, 4 * float(np.finfo(np.float32).eps)
# Whole numbers that float32 holds exactly.
_EXACT = 2**24


def read_labels(labels: Image, image: Volume | None = None) -> Volume:
    """Read a label map.

    Args:
        labels: A file or an image in memory, see `read_image`; one of floating-point
            numbers is fine as long as every voxel is a whole number, up to the rounding
            of float32.
        image: The image that it labels; the map must be on its grid and not empty.

    Returns:
        The labels as stored, int32.

    Warns:
        ImageWarning: If numbers were rounded, or labels above 16,777,216 are stored as
            float32, which does not hold all of them.

    Raises:
        DataError: As `read_image`, and if a voxel is negative, not a whole number or
            larger than 2,147,483,647, or all voxels are background.
        GeometryError: If its affine is singular or not finite, or it is on another grid
            than the image.
    """
    if isinstance(labels, Volume):
        return labels
    stored = open_image(labels)
    array = _whole(one_channel(stored.array, stored.path), stored.path)
    found = Volume(array, stored.affine, stored.file, stored.space, stored.stated)
    if image is not None:
        _check_companion(found, image, "label map")
    return found


def read_mask(mask: Image, image: Volume | None = None) -> Volume:
    """Read a mask.

    A mask of whole numbers is inside where it is not 0. One of probabilities, numbers
    from 0 to 1, is inside from 0.5; ITK would cut them off to 0.

    Args:
        mask: A file or an image in memory, see `read_image`.
        image: The image that it belongs to; the mask must be on its grid.

    Returns:
        1 inside, 0 outside, float32.

    Warns:
        ImageWarning: If it holds probabilities.

    Raises:
        DataError: As `read_image`, and if the mask is empty, or has fractions that are
            no probabilities.
        GeometryError: If its affine is singular or not finite, or it is on another grid
            than the image.
    """
    if isinstance(mask, Volume):
        return mask
    stored = open_image(mask)
    path = stored.path
    array = one_channel(stored.array, path)
    finite(array, path)
    inside = np.rint(array) != 0
    if array.dtype.kind == "f" and not _is_whole(array):
        low, high = float(array.min()), float(array.max())
        if low < 0 or high > 1 + _ROUNDING:
            raise DataError(
                f"{path}: is no mask: its voxels have fractions and go from {low:g} "
                f"to {high:g}; give 0 and 1, or probabilities from 0 to 1."
            )
        inside = array >= 0.5
        warnings.warn(
            f"{path}: the mask holds probabilities from {low:g} to {high:g}; inside is "
            f"where they are at least 0.5, {100 * inside.mean():.3g} % of the voxels.",
            ImageWarning,
            stacklevel=2,
        )
    found = Volume(inside.astype(np.float32), stored.affine, stored.file, stored.space)
    if image is not None:
        _check_companion(found, image, "mask")
    elif not inside.any():
        raise DataError(f"{path}: the mask is empty; correct it, or leave it out.")
    return found


def _whole(array: Num[np.ndarray, "*space"], path: Path) -> Int[np.ndarray, "*space"]:
    """Labels as int32."""
    stored = array.dtype
    if array.dtype.kind == "f":
        finite(array, path)
        if not _is_whole(array):
            raise _no_labels(path, array[_fractions(array)], "not whole numbers")
        whole = np.rint(array)
        if np.any(whole != array):
            off = array[whole != array]
            warnings.warn(
                f"{path}: {off.size} voxels are whole numbers but for rounding (e.g. "
                f"{off.flat[0]!s}) and were rounded.",
                ImageWarning,
                stacklevel=3,
            )
        array = whole
    if array.min(initial=0) < 0:
        raise _no_labels(path, array[array < 0], "negative")
    if array.max(initial=0) >= _LIMIT:
        what = f"too large, above {_LIMIT - 1}"
        raise _no_labels(path, array[array >= _LIMIT], what)
    if stored == np.float32 and array.max(initial=0) > _EXACT:
        warnings.warn(
            f"{path}: labels up to {array.max():.0f} are stored as float32, which "
            f"holds whole numbers exactly only up to {_EXACT}; store them as uint32 "
            "if some are wrong.",
            ImageWarning,
            stacklevel=3,
        )
    return array.astype(np.int32)


def _is_whole(array: Num[np.ndarray, "*space"]) -> bool:
    """Whether all numbers are whole up to rounding, and not all of them nearly 0."""
    return not _fractions(array).any()


def _fractions(array: Num[np.ndarray, "*space"]) -> Num[np.ndarray, "*space"]:
    """Where a number is not whole; where it is not 0, if all are nearly 0."""
    whole = np.rint(array)
    if not whole.any():
        return array != 0
    return np.abs(array - whole) > np.maximum(_ROUNDING, _FLOAT32 * np.abs(whole))


def _no_labels(path: Path, wrong: Num[np.ndarray, " n"], what: str) -> DataError:
    return DataError(
        f"{path}: {wrong.size} voxels are not valid labels (e.g. {wrong.flat[0]!s}), "
        f"they are {what}; a label map contains whole numbers from 0. Is this an "
        "image, or was it resampled with linear instead of nearest-neighbour "
        "interpolation?"
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
