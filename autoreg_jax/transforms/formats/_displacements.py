"""Displacement fields as images: NIfTI of ANTs and our own, and Learn2Reg's arrays."""

import io
import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from nibabel.affines import voxel_sizes
from nibabel.nifti1 import Nifti1Image

from autoreg_jax import nifti
from autoreg_jax.errors import ImageWarning
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms.formats._format import Layout, damaged
from autoreg_jax.transforms.links import Displacement, Link, as_displacement

__all__ = ["read_learn2reg", "read_nifti", "write_learn2reg", "write_nifti"]

# NIfTI's displacement vectors are along R, A, S; ITK from 5.4 and Slicer from 5.2 turn
# them when they read them (https://github.com/InsightSoftwareConsortium/ITK/pull/3884).
# Plain vectors ITK takes as they are, and so ANTs' are along L, P, S.
_DISPLACEMENT, _VECTOR = 1006, 1007
_LPS = np.array([-1.0, -1.0, 1.0])


def read_nifti(
    content: bytes, *, layout: Layout | None, grid: Grid | None
) -> tuple[Displacement]:
    """The displacement of a NIfTI file.

    Args:
        content: Of a `.nii` file.
        layout: What the vectors are, where the header does not say it.
        grid: Of the fixed image, for voxels.

    Returns:
        The displacement.

    Raises:
        ValueError: If the file holds no displacement, or one on another grid.
    """
    with damaged("NIfTI image"):
        image = nifti.image_of(content)
        array = np.asanyarray(image.dataobj)
    if array.ndim == 5 and array.shape[3] == 1:
        array = array[:, :, :, 0]
    if array.ndim != 4 or array.shape[3] not in (2, 3) or array.dtype.kind not in "iuf":
        raise ValueError(
            "a displacement has the shape (x, y, z, 1, 3) or (x, y, z, 3), or "
            f"(x, y, 1, 1, 2) in a plane; found {image.shape}."
        )
    layout = layout or _layout_of(int(image.header["intent_code"]), len(image.shape))
    if array.shape[2] == 1:
        array = array[:, :, 0]
    if layout == "learn2reg":
        return _from_voxels(array, grid)
    signs = _LPS[: array.shape[-1]] if layout == "ants" else 1.0
    kind = np.float32 if array.dtype == np.float32 else np.float64
    place = nifti.place_of(nifti.header_of(content[: nifti.LONGEST_HEADER]))
    for note in place.notes:
        warnings.warn(note, ImageWarning, stacklevel=2)
    own = Grid(array.shape[:-1], place.affine, place.space)
    return (Displacement((array * signs).astype(kind), own),)


def write_nifti(
    links: Sequence[Link], *, layout: Layout | None, grid: Grid | None
) -> bytes:
    """A NIfTI file of a displacement, float32.

    Args:
        links: The chain, which becomes one displacement.
        layout: "ras" (default): intent `displacement vector`, mm along R, A, S, three
            components also in a plane; "ants": intent `vector`, mm along L, P, S, as
            `1Warp.nii.gz`; "learn2reg": four axes, voxels.
        grid: Of the displacement, if not its own.

    Raises:
        ValueError: If the layout cannot hold it.
    """
    field = as_displacement(links, grid)
    grid, full = field.grid, (*field.grid.shape, 1)[:3]
    if layout == "learn2reg":
        image = Nifti1Image(_to_voxels(field).reshape(*full, -1), grid.affine)
    else:
        array, code = field.vectors, _DISPLACEMENT
        if layout == "ants":
            _check_axes(grid)
            array, code = (array * _LPS)[..., : field.ndim], _VECTOR
        array = array.astype(np.float32).reshape(*full, 1, -1)
        image = Nifti1Image(array, grid.affine)
        image.header["intent_code"] = code
    nifti.put_on(image, grid)
    return image.to_bytes()


def read_learn2reg(
    content: bytes, *, layout: Layout | None, grid: Grid | None
) -> tuple[Displacement]:
    """The displacement of a Learn2Reg `disp_*.npz` file.

    Args:
        content: Of the file: one array `(x, y, z, 3)`, or `(3, x, y, z)` as in the
            first challenges, in voxels.
        layout: Not used.
        grid: Of the fixed image.

    Raises:
        ValueError: If the content is another, or of another shape than the grid.
    """
    with (
        damaged("NumPy archive of one array"),
        np.load(io.BytesIO(content), allow_pickle=False) as arrays,
    ):
        (array,) = arrays.values()
    if array.shape[:1] in ((2,), (3,)) and array.shape[-1] != array.ndim - 1:
        array = np.moveaxis(array, 0, -1)
    return _from_voxels(array, grid)


def write_learn2reg(
    links: Sequence[Link], *, layout: Layout | None, grid: Grid | None
) -> bytes:
    """A Learn2Reg `disp_*.npz` file: `(x, y, z, 3)` voxels, float32."""
    stream = io.BytesIO()
    np.savez_compressed(stream, _to_voxels(as_displacement(links, grid)))
    return stream.getvalue()


def _layout_of(code: int, ndim: int) -> Layout:
    """The layout that the header states by its intent."""
    if code == _DISPLACEMENT:
        return "ras"
    if code == _VECTOR:
        return "ants"
    if code == 0 and ndim == 4:
        return "learn2reg"
    raise ValueError(
        f"its intent is {code}, which does not say what the vectors are; 1006 means "
        "mm along R, A, S, 1007 mm along L, P, S, and four axes without intent voxels "
        "of Learn2Reg. Give the layout, or convert the file."
    )


def _from_voxels(array: np.ndarray, grid: Grid | None) -> tuple[Displacement]:
    """A displacement from voxel vectors on the grid of the fixed image.

    Learn2Reg evaluates `map_coordinates(moving, identity + disp)`: component k counts
    voxels along axis k, and both images have one grid.
    """
    if grid is None:
        raise ValueError(
            "it holds voxels and does not say of which grid; give the fixed image."
        )
    if array.shape != (*grid.shape, grid.ndim):
        raise ValueError(
            f"a displacement of the fixed image has the shape "
            f"{(*grid.shape, grid.ndim)}, found {array.shape}."
        )
    vectors = grid.vectors_to_world(array.astype(np.float64))
    return (Displacement(vectors, grid),)


def _to_voxels(field: Displacement) -> Float[np.ndarray, "*space d"]:
    """Vectors of a displacement in voxels of its grid."""
    return field.grid.vectors_to_voxels(field.vectors).astype(np.float32)


def _check_axes(grid: Grid) -> None:
    """Refuse axes that are not at right angles, which ITK does not support."""
    unit = grid.affine[:3, :3] / voxel_sizes(grid.affine)
    if not np.allclose(unit.T @ unit, np.eye(3), atol=1e-4):
        raise ValueError(
            "the axes of the grid are not at right angles, which ITK and ANTs require; "
            "give another grid, or write the layout 'ras'."
        )
