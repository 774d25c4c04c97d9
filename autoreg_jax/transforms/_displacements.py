"""Displacement fields as images: NIfTI of ANTs and our own, and Learn2Reg's arrays."""

import gzip
import io
import struct
import zipfile
import zlib
from typing import Literal

import numpy as np
from jaxtyping import Float
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Image
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from autoreg_jax.geometry import Grid
from autoreg_jax.transforms._field import Field
from autoreg_jax.transforms._files import unreadable

__all__ = ["Vectors", "read_array", "read_nifti", "write_array", "write_nifti"]

Vectors = Literal["ras", "ants", "learn2reg"]

# NIfTI's displacement vectors are along R, A, S; ITK from 5.4 and Slicer from 5.2 turn
# them when they read them (https://github.com/InsightSoftwareConsortium/ITK/pull/3884).
# Plain vectors ITK takes as they are, and so ANTs' are along L, P, S.
_DISPLACEMENT, _VECTOR = 1006, 1007
# What nibabel and NumPy raise for damaged files.
_UNREADABLE = (
    AttributeError,
    EOFError,
    HeaderDataError,
    ImageFileError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    TypeError,
    ValueError,
    WrapStructError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_LPS = np.array([-1.0, -1.0, 1.0])


def read_nifti(content: bytes, vectors: Vectors | None, grid: Grid | None) -> Field:
    """The displacement of a NIfTI file.

    Args:
        content: Of a `.nii` or `.nii.gz` file.
        vectors: What they are, where the header does not say it.
        grid: Of the fixed image, for voxels.

    Returns:
        The displacement.

    Raises:
        ValueError: If it is no displacement, or of another grid.
    """
    try:
        if content[:2] == b"\x1f\x8b":
            # The whole stream, for its checksum: nibabel stops after the last voxel.
            content = gzip.decompress(content)
        image = Nifti1Image.from_bytes(content)
        array = np.asanyarray(image.dataobj)
    except _UNREADABLE as error:
        raise unreadable("NIfTI image", error) from error
    if array.ndim == 5 and array.shape[3] == 1:
        array = array[:, :, :, 0]
    if array.ndim != 4 or array.shape[3] not in (2, 3) or array.dtype.kind not in "iuf":
        raise ValueError(
            "a displacement has the shape (x, y, z, 1, 3) or (x, y, z, 3), or "
            f"(x, y, 1, 1, 2) in a plane; found {image.shape}."
        )
    if vectors is None:
        vectors = _told_by(int(image.header["intent_code"]), len(image.shape))
    if array.shape[2] == 1:
        array = array[:, :, 0]
    own = Grid(array.shape[:-1], np.asarray(image.affine))
    if vectors == "learn2reg":
        return _from_voxels(array, grid)
    signs = _LPS[: array.shape[-1]] if vectors == "ants" else 1.0
    kind = np.float32 if array.dtype == np.float32 else np.float64
    return Field((array * signs).astype(kind), own)


def write_nifti(field: Field, vectors: Vectors, dimension: int, *, zip: bool) -> bytes:
    """A NIfTI file of a displacement, float32.

    Args:
        field: The displacement.
        vectors: "ras": intent `displacement vector`, mm along R, A, S; "ants": intent
            `vector`, mm along L, P, S, as `1Warp.nii.gz`; "learn2reg": four axes,
            voxels.
        dimension: 2 for vectors of two components.
        zip: Whether it is compressed.

    Raises:
        ValueError: If the layout cannot hold it.
    """
    grid, array = field.grid, field.vectors[..., :dimension]
    full = (*grid.shape, 1)[:3]
    if vectors == "learn2reg":
        image = Nifti1Image(_to_voxels(field).reshape(*full, -1), grid.affine)
    else:
        if vectors == "ants":
            _check_axes(grid)
            array = array * _LPS[:dimension]
        array = array.astype(np.float32).reshape(*full, 1, dimension)
        image = Nifti1Image(array, grid.affine)
        code = _VECTOR if vectors == "ants" else _DISPLACEMENT
        image.header["intent_code"] = code
    image.header.set_xyzt_units("mm")
    image.set_sform(grid.affine, code="aligned")
    image.set_qform(grid.affine, code="aligned")
    content = image.to_bytes()
    return gzip.compress(content, 1, mtime=0) if zip else content


def read_array(content: bytes, grid: Grid | None) -> Field:
    """The displacement of a Learn2Reg `disp_*.npz` file.

    Args:
        content: Of the file: one array `(x, y, z, 3)`, or `(3, x, y, z)` as in the
            first challenges, in voxels.
        grid: Of the fixed image.

    Raises:
        ValueError: If it is no such file or of another shape than the grid.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            (array,) = arrays.values()
    except _UNREADABLE as error:
        raise unreadable("NumPy archive of one array", error) from error
    if array.shape[:1] in ((2,), (3,)) and array.shape[-1] != array.ndim - 1:
        array = np.moveaxis(array, 0, -1)
    return _from_voxels(array, grid)


def write_array(field: Field) -> bytes:
    """A Learn2Reg `disp_*.npz` file: `(x, y, z, 3)` voxels, float32."""
    stream = io.BytesIO()
    np.savez_compressed(stream, _to_voxels(field))
    return stream.getvalue()


def _told_by(code: int, ndim: int) -> Vectors:
    """What the header says that the vectors are."""
    if code == _DISPLACEMENT:
        return "ras"
    if code == _VECTOR:
        return "ants"
    if code == 0 and ndim == 4:
        return "learn2reg"
    raise ValueError(
        f"its intent is {code}, which does not say what the vectors are; 1006 stands "
        "for mm along R, A, S, 1007 for mm along L, P, S, and Learn2Reg's four axes "
        "without intent for voxels. Name the layout, or convert the file."
    )


def _from_voxels(array: np.ndarray, grid: Grid | None) -> Field:
    """Voxel vectors on the grid of the fixed image.

    Learn2Reg evaluates `map_coordinates(moving, identity + disp)`: component k counts
    voxels along axis k, and both images have one grid.
    """
    if grid is None:
        raise ValueError(
            "it holds voxels and does not say of which grid; name the fixed image."
        )
    if array.shape != (*grid.shape, grid.ndim):
        raise ValueError(
            f"a displacement of the fixed image has the shape "
            f"{(*grid.shape, grid.ndim)}, found {array.shape}."
        )
    return Field(array.astype(np.float64) @ grid.affine[:3, : grid.ndim].T, grid)


def _to_voxels(field: Field) -> Float[np.ndarray, "*space d"]:
    """Vectors of a field in voxels of its grid."""
    inverse = np.linalg.inv(field.grid.affine)[: field.grid.ndim, :3]
    return (field.vectors @ inverse.T).astype(np.float32)


def _check_axes(grid: Grid) -> None:
    """ITK knows no grid whose axes are not at right angles."""
    unit = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    if not np.allclose(unit.T @ unit, np.eye(3), atol=1e-4):
        raise ValueError(
            "the axes of the grid are not at right angles, as ITK and ANTs need it; "
            "give another grid, or write the layout 'ras'."
        )
