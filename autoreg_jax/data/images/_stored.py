"""Opens an image file of any format: its voxels as stored, and where they lie."""

import gzip
import warnings
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Num
from nibabel.filebasedimages import ImageFileError
from nibabel.freesurfer.mghformat import MGHError, MGHHeader, MGHImage
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from autoreg_jax import nifti
from autoreg_jax.data.images import _itk
from autoreg_jax.data.images._names import ENDINGS, FREESURFER, ITK, is_image_name
from autoreg_jax.errors import DataError, GeometryError, ImageWarning
from autoreg_jax.geometry import Stated, homogeneous
from autoreg_jax.nifti import Place

__all__ = ["Stored", "open_stored"]

_UNREADABLE = (
    EOFError,  # a truncated gzip stream
    HeaderDataError,
    ImageFileError,
    KeyError,  # a type of voxels that the format does not have
    MGHError,
    OSError,  # not a gzip file, no permission
    OverflowError,  # an offset beyond any file
    RuntimeError,  # of SimpleITK
    TypeError,  # too few bytes for a header of FreeSurfer
    ValueError,  # fewer bytes than the header promises
    WrapStructError,
    zlib.error,
)

# What is found in the place of images, by its first bytes.
_NO_IMAGES = {
    b"version https://git-lfs": "a pointer of Git LFS; fetch the image: git lfs pull.",
    b"/annex/objects/": "a pointer of git-annex; fetch the image: datalad get.",
    b"<!DOCTYPE": "a web page, not an image; download it again.",
    b"<html": "a web page, not an image; download it again.",
    b"PK\3\4": "a zip archive, not an image; unpack it.",
}

_Array = Num[np.ndarray, "..."]


@dataclass(frozen=True, eq=False)
class Stored:
    """An image file as it is.

    Attributes:
        array: The voxels in the type of the file, in float64 where the file scales
            them.
        affine: Voxel indices to world, mm, RAS+.
        space: Which world it is, see `Grid`.
        path: The file, or what to call an image in memory.
        stated: Lengths by its header, see `Grid`.
    """

    array: _Array
    affine: Float[np.ndarray, "4 4"]
    space: int
    path: Path
    stated: Stated | None = None

    @property
    def file(self) -> Path | None:
        """The file, if there is one."""
        return self.path if self.path.is_file() else None


def open_stored(path: Path, *, voxels: bool = True) -> Stored:
    """Read an image file.

    Args:
        path: A file of NIfTI, FreeSurfer, NRRD or MetaImage.
        voxels: Read them; otherwise they are zeros that take no memory.

    Warns:
        ImageWarning: Of what the header leaves open.

    Raises:
        DataError: If there is no such file, it cannot be read, or it has no voxels of
            one number.
        GeometryError: If its affine is not finite and invertible.
    """
    try:
        _check_name(path)
        array, place = _open(path, voxels)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    return checked(array, place, path)


def checked(array: _Array, place: Place, path: Path) -> Stored:
    """Voxels and their place, if there is one number for each.

    Args:
        array: The voxels.
        place: Where they lie.
        path: The file, or what to call the image in messages.

    Warns:
        ImageWarning: Of what the header leaves open.

    Raises:
        DataError: If there are no voxels, or none of one number.
        GeometryError: If the affine is not finite and invertible.
    """
    if not array.shape or min(array.shape) < 1:
        raise DataError(
            f"{path}: the image has no voxels, its shape is {array.shape}; export it "
            "again."
        )
    for note in place.notes:
        warnings.warn(f"{path}: {note}", ImageWarning, stacklevel=3)
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise DataError(
            f"{path}: voxels of type {_type_name(array)} have no single grey value; "
            "convert the image to one number per voxel."
        )
    affine = _checked(place.affine, path)
    return Stored(array, affine, place.space, path, place.stated)


def _open(path: Path, voxels: bool) -> tuple[_Array, Place]:
    """Voxels and place by the format that the name says."""
    name = path.name.lower()
    if name.endswith(ITK):
        return _itk.read(path, voxels=voxels)
    if not voxels:
        return _header(path, is_freesurfer=name.endswith(FREESURFER))
    content, ignored = nifti.unpacked(path.read_bytes())
    notes = []
    if ignored:
        notes.append(f"{ignored} bytes behind the compressed image are ignored.")
    if name.endswith(FREESURFER):
        image = MGHImage.from_bytes(content)
        notes += _orientation_note(content)
        return np.asanyarray(image.dataobj), Place(
            np.array(image.affine), notes=tuple(notes)
        )
    image, beyond = nifti.image_of(content)
    place = _place(nifti.header_of(content[: nifti.LONGEST_HEADER]), path)
    if beyond:
        notes.append(
            f"{beyond} bytes follow the last voxel of the shape {image.shape} and are "
            "ignored; check that the header has the right shape and type."
        )
    with warnings.catch_warnings(action="ignore"):
        array = np.asanyarray(image.dataobj)
    return array, replace(place, notes=(*place.notes, *notes))


def _header(path: Path, *, is_freesurfer: bool) -> tuple[_Array, Place]:
    """The place and zeros that take no memory."""
    with path.open("rb") as file:
        is_compressed = file.read(2) == b"\x1f\x8b"
    with (gzip.open if is_compressed else open)(path, "rb") as file:
        start = file.read(nifti.LONGEST_HEADER)
    if is_freesurfer:
        header = MGHHeader(start)
        place = Place(np.array(header.get_affine()), notes=_orientation_note(start))
    else:
        header = nifti.header_of(start)
        place = _place(header, path)
    return np.broadcast_to(np.zeros((), np.uint8), header.get_data_shape()), place


def _type_name(array: _Array) -> str:
    """`complex64`, or `R, G, B`."""
    return ", ".join(array.dtype.names or [array.dtype.name])


def _place(header: Nifti1Header, path: Path) -> Place:
    try:
        return nifti.place_of(header)
    except ValueError as error:
        raise GeometryError(f"{path}: {error}") from error


def _orientation_note(content: bytes) -> tuple[str, ...]:
    """What is assumed if an image of FreeSurfer does not say where it lies."""
    start = np.frombuffer(content, ">i2", 1, offset=28)
    if start[0] == 1:
        return ()
    return (
        "it does not say where it lies; coronal voxels of 1 mm around the origin are "
        "assumed, as FreeSurfer does.",
    )


def _check_name(path: Path) -> None:
    """Refuse missing files and other formats."""
    if not path.is_file():
        found = "is a directory" if path.is_dir() else "does not exist"
        raise DataError(f"image file: {path} {found}; correct the path.")
    if not is_image_name(path):
        raise DataError(
            f"{path}: an image must be a file of {', '.join(ENDINGS)}; convert it "
            "first."
        )


def _checked(affine: Float[np.ndarray, "4 4"], path: Path) -> np.ndarray:
    try:
        return homogeneous(affine)
    except ValueError:
        raise GeometryError(
            f"{path}: the affine must be finite and invertible, got "
            f"{affine.tolist()}; repair the header."
        ) from None


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, OSError) and error.errno:
        return DataError(
            f"{path}: cannot be read ({error.strerror}); check its permissions and "
            "the disk."
        )
    with path.open("rb") as file:
        start = file.read(max(map(len, _NO_IMAGES)))
    for first, text in _NO_IMAGES.items():
        if start.startswith(first):
            return DataError(f"{path}: {text}")
    kind = "image" if path.name.lower().endswith(ITK + FREESURFER) else "NIfTI image"
    # SimpleITK begins with lines of its own.
    reason = " ".join(str(error).rpartition("ERROR: ")[2].split())
    reason = reason if start else "the file is empty"
    return DataError(
        f"{path}: not a readable {kind} ({reason}); it may be truncated or in another "
        "format. Copy or convert it again."
    )
