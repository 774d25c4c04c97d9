"""Matrices as text: FSL's `.mat`, NiftyReg's `.txt`, AFNI's `.aff12.1D`.

FSL and ITK share `.mat`, NiftyReg and ITK `.txt`: the content decides.
"""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float
from nibabel.nifti1 import Nifti1Image

from autoreg_jax.errors import ImageWarning
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms.formats._format import DAMAGED, ImagePair
from autoreg_jax.transforms.formats._fsl import FSL_FIELD, fsl_matrix
from autoreg_jax.transforms.formats._itk_files import read_matlab, read_text
from autoreg_jax.transforms.formats._oblique import refuse_oblique
from autoreg_jax.transforms.links import Affine, Link

__all__ = ["is_of_fsl", "read_afni", "read_mat", "read_txt"]

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
_ROWS = 4


def read_mat(content: bytes, *, images: ImagePair, **_: object) -> tuple[Link, ...]:
    """The map of a `.mat` file: binary of ITK and ANTs, or four lines of FSL.

    Args:
        content: Of the file.
        images: The images of FSL.

    Raises:
        ValueError: If it is neither, or the images of FSL are not given.
    """
    numbers, matrix = _numbers(content), _square(content)
    if matrix is not None:
        return (fsl_matrix(matrix, images),)
    if numbers:
        raise ValueError(
            f"it is text with {len(numbers)} rows of numbers; a matrix of FSL has four "
            "rows of four, and the .mat of ITK and ANTs is binary."
        )
    return read_matlab(content)


def read_txt(content: bytes, *, images: ImagePair, **_: object) -> tuple[Link, ...]:
    """The map of a `.txt` or `.tfm` file: of ITK, or four lines of NiftyReg or MRtrix.

    Their matrices (`reg_aladin -aff`, `mrtransform -linear`) map the fixed image to the
    moving one, in mm along R, A, S, as the maps of this package do.

    Args:
        content: Of the file.
        images: The images that it maps between, for the unit of length.

    Raises:
        ValueError: If it is neither, or the images have different units.
    """
    if content.lstrip().startswith(b"(Transform"):
        raise ValueError(
            "it is a parameter file of elastix; write the field: transformix -def all "
            '-tp THIS -out FOLDER, with (ResultImageFormat "nii.gz") in the file.'
        )
    matrix = _square(content)
    if matrix is None:
        return read_text(content)
    warnings.warn(
        "four rows of four numbers: read as a matrix of NiftyReg or MRtrix, from the "
        "fixed image to the moving one in mm along R, A, S. A matrix of FSL must be "
        "named .mat.",
        ImageWarning,
        stacklevel=2,
    )
    return (_in_mm(matrix, images),)


def read_afni(
    content: bytes, *, grid: Grid | None, images: ImagePair, **_: object
) -> tuple[Affine]:
    """The matrix that `3dAllineate -1Dmatrix_save` writes, from base to source, LPS.

    Args:
        content: Of the file: twelve numbers.
        grid: Of the fixed image, if it is known.
        images: The fixed and the moving image, if they are known.

    Raises:
        ValueError: If it holds other than twelve numbers, an image is oblique, or the
            images have different units.
    """
    numbers = _numbers(content)
    if numbers is None:
        raise ValueError("it holds something else than numbers and comments (#).")
    count = sum(map(len, numbers))
    if count != 12:
        raise ValueError(
            f"it holds {count} numbers, and a matrix has twelve; of a series take one "
            "row, as in 1dcat FILE'{0}' > one.aff12.1D."
        )
    for one in images.known if grid is None else (grid, *images.known):
        refuse_oblique(one)
    matrix = np.eye(4)
    matrix[:3] = np.concatenate(numbers).reshape(3, 4)
    return (_in_mm(_FLIP @ matrix @ _FLIP, images),)


def is_of_fsl(path: Path) -> bool:
    """Whether a file is one of FSL, which maps between images that it does not name.

    Args:
        path: The file; one that cannot be read is none of FSL.
    """
    name = path.name.lower()
    try:
        if name.endswith(".mat"):
            return _square(path.read_bytes()) is not None
        if name.endswith((".nii", ".nii.gz")):
            image = Nifti1Image.from_filename(path)
            return int(image.header["intent_code"]) == FSL_FIELD
    except DAMAGED:
        return False
    return False


def _in_mm(matrix: Float[np.ndarray, "4 4"], images: ImagePair) -> Affine:
    """A matrix between images whose lengths its program took for mm."""
    matrix = matrix.copy()
    matrix[:3, 3] *= images.unit()
    return Affine(matrix)


def _square(content: bytes) -> Float[np.ndarray, "4 4"] | None:
    """Four rows of four numbers; None if the content is something else."""
    numbers = _numbers(content)
    if numbers is None or [len(row) for row in numbers] != [_ROWS] * _ROWS:
        return None
    return np.array(numbers)


def _numbers(content: bytes) -> list[list[float]] | None:
    """Rows of numbers in a text without its comments; None if it holds other words."""
    try:
        lines = content.decode("ascii").splitlines()
        rows = [line.partition("#")[0].split() for line in lines]
        return [[float(word) for word in row] for row in rows if row]
    except ValueError:
        return None
