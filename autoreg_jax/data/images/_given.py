"""Images that are in memory already: of nibabel, SimpleITK, ANTs, or NumPy arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Num
from nibabel.nifti1 import Nifti1Header, Nifti1Pair
from nibabel.spatialimages import SpatialImage

from autoreg_jax import nifti
from autoreg_jax.data.images._stored import Stored, checked, open_stored
from autoreg_jax.errors import DataError, GeometryError
from autoreg_jax.geometry import Volume
from autoreg_jax.nifti import Place

__all__ = ["Image", "as_given", "channels_of", "open_image"]

Image: TypeAlias = Any
"""A `Volume`; a file; an image of nibabel, SimpleITK or ANTs; or `(array, affine)`, a
NumPy array and its map from voxel indices to world millimetres, RAS+."""

# From LPS, the world of ITK, to RAS.
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
_KINDS = (
    "a file, a Volume, an image of nibabel, SimpleITK or ANTs, or a pair "
    "(array, affine)"
)


def open_image(image: Image) -> Stored:
    """Voxels as they are given, and where they lie.

    Args:
        image: See `Image`, but for a `Volume`.

    Warns:
        ImageWarning: Of what the header of a file or of nibabel leaves open.

    Raises:
        DataError: If it is no image, cannot be read, or has no voxels of one number.
        GeometryError: If its affine is not finite and invertible.
    """
    if isinstance(image, str | Path):
        return open_stored(Path(image))
    array, place, name = _opened(image)
    return checked(array, place, Path(name))


def channels_of(image: Image | Sequence[Image]) -> tuple[Image, ...]:
    """The images of one subject that are given together.

    Args:
        image: One image, see `Image`, or a list of several.

    Examples:
        >>> channels_of(["t1.nii.gz", "t2.nii.gz"])
        ('t1.nii.gz', 't2.nii.gz')
        >>> len(channels_of((np.zeros((5, 5)), np.eye(4))))
        1
    """
    is_many = isinstance(image, list | tuple) and not _is_pair(image)
    return tuple(image) if is_many else (image,)


def _is_pair(image: Sequence[Any]) -> bool:
    """Whether a sequence is an array and its affine, and not two images."""
    if len(image) != 2 or isinstance(image[1], Volume):
        return False
    try:
        return np.shape(image[1]) in ((3, 3), (4, 4))
    except ValueError:  # an array and an affine of their own
        return False


def as_given(array: Num[np.ndarray, "*space"], like: Image) -> Any:
    """An array on the grid of an image, as an image of the same kind.

    Args:
        array: One value for each voxel of `like`.
        like: See `Image`; for a file the result is a `Volume`.

    Raises:
        DataError: If `like` is no image.
        ValueError: If the array has another number of voxels.
    """
    if isinstance(like, str | Path):
        stored = open_stored(Path(like), voxels=False)
        return Volume(array, stored.affine, space=stored.space)
    if isinstance(like, Volume):
        return Volume(array.reshape(like.shape), like.affine, space=like.space)
    if isinstance(like, SpatialImage):
        header = like.header.copy()
        header.set_data_dtype(array.dtype)
        voxels: Any = array.reshape(like.shape)
        return type(like)(voxels, like.affine, header)
    if _is_of("SimpleITK", like):
        import SimpleITK

        size = tuple(like.GetSize())
        image = SimpleITK.GetImageFromArray(
            np.ascontiguousarray(array.reshape(size).transpose())
        )
        image.CopyInformation(like)
        return image
    if _is_of("ants", like):
        return like.new_image_like(array.reshape(like.shape).astype(np.float32))
    known, affine = _pair(like)
    return array.reshape(known.shape), affine


def _opened(image: Any) -> tuple[Num[np.ndarray, "..."], Place, str]:
    """Voxels, place, and a name for messages."""
    if isinstance(image, SpatialImage):
        name = image.get_filename() or f"the {type(image).__name__} of nibabel"
        place = Place(np.asarray(image.affine))
        if isinstance(image, Nifti1Pair):
            place = _place(image.header, name)
        return np.asanyarray(image.dataobj), place, name
    if _is_of("SimpleITK", image):
        import SimpleITK

        d = image.GetDimension()
        array = SimpleITK.GetArrayFromImage(image)
        array = array.transpose(*range(d - 1, -1, -1), *range(d, array.ndim))
        geometry = image.GetSpacing(), image.GetOrigin(), image.GetDirection()
        return array, Place(_ras(*geometry)), "the image of SimpleITK"
    if _is_of("ants", image):
        geometry = image.spacing, image.origin, np.ravel(image.direction).tolist()
        return image.numpy(), Place(_ras(*geometry)), "the image of ANTs"
    array, affine = _pair(image)
    return array, Place(affine), "the array"


def _place(header: Nifti1Header, name: str) -> Place:
    try:
        return nifti.place_of(header)
    except ValueError as error:
        raise GeometryError(f"{name}: {error}") from error


def _is_of(package: str, image: Any) -> bool:
    return type(image).__module__.partition(".")[0] == package


def _pair(image: Any) -> tuple[Num[np.ndarray, "..."], Float[np.ndarray, "4 4"]]:
    """An array and its affine.

    Raises:
        DataError: If it is something else.
    """
    if isinstance(image, tuple | list) and len(image) == 2:
        array, affine = np.asarray(image[0]), np.asarray(image[1])
        if array.ndim in (2, 3) and affine.shape in ((3, 3), (4, 4)):
            return array, affine
    found = type(image).__name__
    if isinstance(image, np.ndarray):
        found = f"an array of the shape {image.shape} without an affine"
    raise DataError(
        f"an image must be {_KINDS}; got {found}. For voxels of 1 mm the affine is "
        "numpy.eye(4)."
    )


def _ras(
    spacing: Sequence[float], origin: Sequence[float], direction: Sequence[float]
) -> Float[np.ndarray, "4 4"]:
    """Voxel indices to RAS+ from what ITK keeps; further axes, as of time, are left."""
    d = len(spacing)
    k = min(d, 3)
    affine = np.eye(4)
    affine[:k, :k] = np.reshape(direction, (d, d))[:k, :k] * np.array(spacing[:k])
    affine[:k, 3] = origin[:k]
    return _FLIP @ affine
