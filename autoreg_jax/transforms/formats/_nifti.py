"""Vector fields as NIfTI images: our own, and those of other programs."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from nibabel.affines import voxel_sizes
from nibabel.nifti1 import Nifti1Image

from autoreg_jax import nifti
from autoreg_jax.errors import ImageWarning
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms.formats._format import ImagePair, Layout, damaged
from autoreg_jax.transforms.formats._fsl import fsl_positions
from autoreg_jax.transforms.formats._learn2reg import from_voxels, to_voxels
from autoreg_jax.transforms.formats._oblique import refuse_oblique
from autoreg_jax.transforms.formats._owners import Meaning, check_content, meaning_of
from autoreg_jax.transforms.links import (
    Affine,
    Displacement,
    Link,
    Spline,
    as_displacement,
    nearest_affine,
)

__all__ = ["read_nifti", "write_nifti"]

_DISPLACEMENT, _VECTOR = 1006, 1007
_LPS = np.array([-1.0, -1.0, 1.0])
# Programs that take all lengths as they are, in vectors and header alike. Where the
# grid is converted from metres (1) or microns (3), so are the vectors.
_IN_UNITS_OF_GRID = ("positions", "niftyreg", "spline", "afni")
# Before the name of the affine map that has to follow, in the description of 80 bytes.
_THEN = "autoreg: then "


def read_nifti(
    content: bytes, *, layout: Layout | None, grid: Grid | None, images: ImagePair
) -> tuple[Link, ...]:
    """The map of a vector field in NIfTI.

    Args:
        content: Of a `.nii` file.
        layout: What the vectors are; default: what the header says.
        grid: Of the fixed image, for voxels.
        images: The images of FSL.

    Returns:
        A displacement. Positions, and what NiftyReg writes, become the affine map that
        is nearest to them and a displacement before it, so that beyond the field the
        affine map holds.

    Raises:
        ValueError: If the file holds no such field, or one on another grid.
    """
    with damaged("NIfTI image"):
        image, _ = nifti.image_of(content)
        array = np.asanyarray(image.dataobj)
    if array.ndim == 5 and array.shape[3] == 1:
        array = array[:, :, :, 0]
    if array.ndim != 4 or array.shape[3] not in (2, 3) or array.dtype.kind not in "iuf":
        raise ValueError(
            "a displacement has the shape (x, y, z, 1, 3) or (x, y, z, 3), or "
            f"(x, y, 1, 1, 2) in a plane; found {image.shape}."
        )
    meaning = layout or meaning_of(image.header, len(image.shape))
    if array.shape[2] == 1:
        array = array[:, :, 0]
    place = nifti.place_of(nifti.header_of(content[: nifti.LONGEST_HEADER]))
    for note in place.notes:
        warnings.warn(note, ImageWarning, stacklevel=2)
    own = Grid(array.shape[:-1], place.affine, place.space, place.stated)
    if meaning in _IN_UNITS_OF_GRID:
        unit = ImagePair(own, others=images.known).unit()
        array = array if unit == 1 else array * np.float32(unit)
    if layout is None:
        check_content(array, own, meaning)
    about = image.header["descrip"].tobytes().rstrip(b"\0").decode(errors="replace")
    if meaning == "ras" and about.startswith(_THEN):
        return (Displacement(array, own, about.removeprefix(_THEN)),)
    return _links(array, own, meaning, grid, images)


def _links(
    array: np.ndarray,
    own: Grid,
    meaning: Meaning,
    grid: Grid | None,
    images: ImagePair,
) -> tuple[Link, ...]:
    """The chain that vectors on their own grid are."""
    if meaning == "learn2reg":
        return from_voxels(array, grid)
    kind = np.float32 if array.dtype == np.float32 else np.float64
    if meaning == "afni":
        for one in (own, *images.known):
            refuse_oblique(one)
    if meaning in ("ants", "afni"):
        array = array * _LPS[: array.shape[-1]]
    if meaning in ("ants", "afni", "ras"):
        return (Displacement(array.astype(kind), own),)
    if meaning == "fsl":
        positions = fsl_positions(array, own, images)
    elif meaning == "niftyreg":
        positions = own.points()[..., : array.shape[-1]] + array
    else:
        positions = array
    return _from_positions(
        positions, own, Spline if meaning == "spline" else Displacement
    )


def _from_positions(
    positions: Float[np.ndarray, "*space d"],
    own: Grid,
    make: Callable[[np.ndarray, Grid], Link],
) -> tuple[Link, ...]:
    """The nearest affine map after the displacement that is left."""
    affine = nearest_affine(positions, own) or Affine(np.eye(4))
    d = positions.shape[-1]
    back = affine.inverse().full
    here = own.points()[..., :d]
    left = positions @ back[:d, :d].T + back[:d, 3] - here
    unknown = ~np.isfinite(left).all(-1)
    if unknown.all():
        raise ValueError(
            "the field has vectors that are NaN or infinite, and no other."
        )
    if unknown.any():
        warnings.warn(
            f"{np.count_nonzero(unknown)} of {unknown.size} positions are not finite; "
            "there the affine map that is nearest to the others was taken.",
            ImageWarning,
            stacklevel=2,
        )
        left[unknown] = 0
    return affine, make(left, own)


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
    if layout in ("positions", "fsl"):
        raise ValueError(f"the layout {layout!r} is read only; write 'ras' or 'ants'.")
    field = as_displacement(links, grid)
    grid, full = field.grid, (*field.grid.shape, 1)[:3]
    if layout == "learn2reg":
        image = Nifti1Image(to_voxels(field).reshape(*full, -1), grid.affine)
    else:
        array, code = field.vectors, _DISPLACEMENT
        if layout == "ants":
            _check_axes(grid)
            array, code = (array * _LPS)[..., : field.ndim], _VECTOR
        array = array.astype(np.float32, copy=False).reshape(*full, 1, -1)
        image = Nifti1Image(array, grid.affine)
        image.header["intent_code"] = code
    if field.followed_by:
        image.header["descrip"] = f"{_THEN}{field.followed_by}".encode()[:80]
    nifti.put_on(image, grid)
    return image.to_bytes()


def _check_axes(grid: Grid) -> None:
    """Refuse axes that are not at right angles, which ITK does not support."""
    unit = grid.affine[:3, :3] / voxel_sizes(grid.affine)
    if not np.allclose(unit.T @ unit, np.eye(3), atol=1e-4):
        raise ValueError(
            "the axes of the grid are not at right angles, which ITK and ANTs require; "
            "give another grid, or write the layout 'ras'."
        )
