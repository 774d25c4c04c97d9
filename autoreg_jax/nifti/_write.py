"""Puts an image where it is to lie, so that all programs find it there."""

import warnings
from pathlib import Path

import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.nifti1 import Nifti1Image

from autoreg_jax.errors import ImageWarning
from autoreg_jax.geometry import Grid
from autoreg_jax.nifti._forms import forms_of, is_rectangular

__all__ = ["put_on"]

# What a qform may lose, mm or, for small voxels, voxels. Near half a turn programs make
# different places of its single precision: 0.019 mm in ITK where nibabel loses 0.001.
_LOSS = 1e-4


def put_on(image: Nifti1Image, grid: Grid, path: Path | None = None) -> None:
    """Write the place of a grid into a header: mm, both forms, the code of its space.

    A qform holds a rotation in single precision. Where it would place a corner more
    than 1e-4 mm away its code is 0, so that every reader takes the sform. ITK
    refuses a sform whose axes are not at right angles: no reader misplaces the image.

    Args:
        image: Its header is changed.
        grid: Where it lies.
        path: Of the file, for the warning.

    Warns:
        ImageWarning: If ITK refuses the file.
    """
    header, full = image.header, (*grid.shape, 1)[:3]
    header.set_xyzt_units("mm")
    image.set_sform(grid.affine, code=grid.space)
    image.set_qform(grid.affine, code=grid.space)
    qform = forms_of(header, full).qform
    sform = Grid(full, grid.affine)
    size = min(sform.spacing)
    loss = np.inf if qform is None else sform.distance(Grid(full, qform)) * size
    if loss <= _LOSS * min(size, 1.0):
        return
    image.set_qform(None, code=0)
    header["pixdim"][1:4] = voxel_sizes(grid.affine)
    if not is_rectangular(grid.affine):
        text = (
            "the axes of its grid are not at right angles, which neither a qform nor "
            f"ITK can hold: without the shear a corner would lie {loss:.4g} mm away. "
            "Only the sform is set, which nibabel, FSL and SPM read; ITK, ANTs and "
            "Slicer refuse the file. Resample the image to a grid at right angles for "
            "them."
        )
        text = text if path is None else f"{path}: {text}"
        warnings.warn(text, ImageWarning, stacklevel=2)
