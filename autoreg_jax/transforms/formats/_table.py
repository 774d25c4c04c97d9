"""The table of formats, and files that are read and written by it."""

import gzip
from collections.abc import Sequence
from pathlib import Path

from autoreg_jax.errors import TransformError
from autoreg_jax.files import compressed, write_bytes
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms._naming import named
from autoreg_jax.transforms.formats._format import Format, ImagePair, Layout, damaged
from autoreg_jax.transforms.formats._freesurfer import read_lta, read_xfm
from autoreg_jax.transforms.formats._itk_files import (
    read_hdf5,
    write_hdf5,
    write_matlab,
    write_text,
)
from autoreg_jax.transforms.formats._learn2reg import read_learn2reg, write_learn2reg
from autoreg_jax.transforms.formats._matrices import read_afni, read_mat, read_txt
from autoreg_jax.transforms.formats._nifti import read_nifti, write_nifti
from autoreg_jax.transforms.links import Link

__all__ = ["FORMATS", "read_links", "write_links"]

FORMATS = (
    Format("text file of ITK or NiftyReg", (".tfm", ".txt"), read_txt, write_text),
    Format("MATLAB file of ITK", (".mat",), read_mat, write_matlab, True),
    Format("HDF5 file of ITK", (".h5", ".hdf5", ".hdf"), read_hdf5, write_hdf5),
    Format("NIfTI image", (".nii", ".nii.gz"), read_nifti, write_nifti),
    Format("NumPy archive of one array", (".npz",), read_learn2reg, write_learn2reg),
    Format("LTA file of FreeSurfer", (".lta",), read_lta, affine_only=True),
    Format("linear transform of MINC", (".xfm",), read_xfm, affine_only=True),
    Format("matrix of AFNI", (".1d",), read_afni, affine_only=True),
)


def read_links(
    path: Path,
    layout: Layout | None,
    grid: Grid | None,
    formats: Sequence[Format] = FORMATS,
    images: ImagePair | None = None,
) -> tuple[Link, ...]:
    """Read a chain of maps, of which the last is applied first.

    Args:
        path: The file; its ending selects the format.
        layout: Of a displacement in NIfTI, where the file does not say it itself.
        grid: Of the fixed image, for a displacement in voxels.
        formats: The formats that are known; the first with the ending is used.
        images: The images of a file of FSL or AFNI.

    Returns:
        The maps.

    Warns:
        ImageWarning: If the file can be read in several ways; names the file.

    Raises:
        TransformError: If the file is missing, damaged, of an unknown kind or does not
            fit the grid.
    """
    kind = _format_of(path, formats)
    if not path.is_file():
        raise TransformError(f"{path}: no such transform; correct the path.")
    try:
        with damaged(kind.name):
            content = path.read_bytes()
            if content[:2] == b"\x1f\x8b":
                content = gzip.decompress(content)
        with named(path):
            return kind.read(
                content, layout=layout, grid=grid, images=images or ImagePair()
            )
    except ValueError as error:
        raise TransformError(
            f"{path}: cannot be used as a transform: {error}"
        ) from error


def write_links(
    path: Path,
    links: Sequence[Link],
    layout: Layout | None,
    grid: Grid | None,
    formats: Sequence[Format] = FORMATS,
) -> Path:
    """Write a chain of maps, whole or not at all.

    Args:
        path: The file; its ending selects the format.
        links: The maps, of which the last is applied first.
        layout: Of a NIfTI file; default: "ras".
        grid: Of a displacement; default: that of the map that is applied first.
        formats: As for `read_links`.

    Returns:
        The path.

    Raises:
        TransformError: If the format cannot hold the transform, or a grid is needed.
    """
    kind = _format_of(path, formats)
    if kind.write is None:
        raise TransformError(
            f"{path}: a {kind.name} is only read; write .mat, .tfm, .h5 or .nii.gz."
        )
    try:
        with named(path):
            content = kind.write(links, layout=layout, grid=grid)
    except ValueError as error:
        raise TransformError(f"{path}: cannot be written: {error}") from error
    if path.name.lower().endswith(".gz"):
        content = compressed(content, is_float=True)
    return write_bytes(path, content)


def _format_of(path: Path, formats: Sequence[Format]) -> Format:
    """The first format with the ending of a name."""
    for kind in formats:
        if path.name.lower().endswith(kind.endings):
            return kind
    if path.name.lower().endswith((".m3z", ".mgz")):
        raise TransformError(
            f"{path}: warps of FreeSurfer are not read in this format; convert it: "
            "mri_warp_convert --inm3z (or --inmgzwarp) THIS --outitk warp.nii.gz."
        )
    endings = ", ".join(ending for kind in formats for ending in kind.endings)
    raise TransformError(
        f"{path}: the name of a transform must end in one of {endings}."
    )
