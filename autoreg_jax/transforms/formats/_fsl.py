"""Matrices of FLIRT and fields of FNIRT: millimetres from a corner of the image.

FSL counts along the axes of the voxels, times their size, from the first voxel; if the
axes are right-handed, it counts x from the other end (documented at
https://fsl.fmrib.ox.ac.uk/fsl/docs/#/registration/flirt/faq). FLIRT's matrix maps the
moving image (`-in`) to the fixed one (`-ref`), FNIRT's field the other way round.
"""

import warnings

import numpy as np
from jaxtyping import Float

from autoreg_jax.errors import ImageWarning
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms.formats._format import ImagePair
from autoreg_jax.transforms.links import Affine

__all__ = ["FSL_FIELD", "fsl_matrix", "fsl_positions"]

# Intent of a field of FNIRT, from nifti1.h of NIfTI's library.
FSL_FIELD = 2006


def fsl_matrix(matrix: Float[np.ndarray, "4 4"], images: ImagePair) -> Affine:
    """The map of a matrix of FLIRT, from the fixed image to the moving one.

    Args:
        matrix: As it is stored, from the moving to the fixed image.
        images: Both, which the file does not name.

    Raises:
        ValueError: If an image is not given or is no volume.
    """
    source = _volume(images.source, "fsl-source", "flirt -in")
    reference = _volume(images.reference, "fsl-reference", "flirt -ref")
    if images.assumed:
        warnings.warn(
            "it was read as a matrix of FSL from the input to the reference; if it was "
            "made with other images, give --fsl-source (flirt -in) and --fsl-reference "
            "(flirt -ref).",
            ImageWarning,
            stacklevel=2,
        )
    to_fixed = _to_world(reference) @ matrix @ np.linalg.inv(_to_world(source))
    return Affine(to_fixed).inverse()


def fsl_positions(
    array: Float[np.ndarray, "*space 3"], grid: Grid, images: ImagePair
) -> Float[np.ndarray, "*space 3"]:
    """Positions in the moving image, from a field of FNIRT.

    Args:
        array: The vectors as they are stored: displacements, or positions if that makes
            them smoother, which is how FSL tells one from the other.
        grid: Of the field, which is that of the fixed image.
        images: With the moving image.

    Returns:
        World mm, RAS+.

    Raises:
        ValueError: If the moving image is not given or is no volume.
    """
    source = _volume(images.source, "fsl-source", "applywarp -i")
    fixed = np.linalg.inv(_to_world(_volume(grid, "fsl-reference", "applywarp -r")))
    here = grid.points() @ fixed[:3, :3].T + fixed[:3, 3]
    space = tuple(range(grid.ndim))
    is_absolute = np.std(array - here, space).sum() < np.std(array, space).sum()
    there = array if is_absolute else here + array
    out = _to_world(source)
    return there @ out[:3, :3].T + out[:3, 3]


def _to_world(grid: Grid) -> Float[np.ndarray, "4 4"]:
    """FSL's millimetres, which are lengths of `pixdim` in any unit, to the world."""
    sizes = grid.spacing if grid.stated is None else grid.stated.sizes
    to_voxels = np.diag([*(1 / np.asarray(sizes)), 1.0])
    if np.linalg.det(grid.affine) > 0:
        to_voxels[0, 0] *= -1
        to_voxels[0, 3] = grid.shape[0] - 1
    return grid.affine @ to_voxels


def _volume(grid: Grid | None, option: str, known_as: str) -> Grid:
    """The grid of an image that FSL needs."""
    if grid is None:
        raise ValueError(
            "a file of FSL counts mm from a corner of its images, which it does not "
            f"name; give --{option} IMAGE, the one of `{known_as}`."
        )
    if grid.ndim != 3:
        raise ValueError("files of FSL are for volumes, and an image is a plane.")
    return grid
