"""Which file holds a transform how."""

from pathlib import Path
from typing import Literal

from autoreg_jax.errors import TransformError
from autoreg_jax.files import write_bytes
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms import _displacements as displacements
from autoreg_jax.transforms import _itk_files as itk_files
from autoreg_jax.transforms._field import Field
from autoreg_jax.transforms._itk import links_from_records, records_from_links
from autoreg_jax.transforms._links import Link, map_points, over_grid

__all__ = ["ENDINGS", "Layout", "read_links", "write_links"]

Layout = Literal["ants", "ras", "learn2reg"]

_TEXT, _MATLAB, _HDF5 = (".tfm", ".txt"), (".mat",), (".h5", ".hdf5", ".hdf")
_NIFTI, _ARRAY = (".nii", ".nii.gz"), (".npz",)
ENDINGS = (*_TEXT, *_MATLAB, *_HDF5, *_NIFTI, *_ARRAY)


def read_links(
    path: Path, layout: Layout | None, grid: Grid | None
) -> tuple[Link, ...]:
    """Read a chain of maps, of which the last is applied first.

    Args:
        path: The file.
        layout: Of a displacement in NIfTI, where the file does not say it itself.
        grid: Of the fixed image, for a displacement in voxels.

    Returns:
        The maps.

    Raises:
        TransformError: If the file is missing, damaged, of an unknown kind or does not
            fit to the grid.
    """
    name = _known(path)
    if not path.is_file():
        raise TransformError(f"{path}: there is no such transform; correct the path.")
    try:
        content = path.read_bytes()
        if name.endswith(_NIFTI):
            return (displacements.read_nifti(content, layout, grid),)
        if name.endswith(_ARRAY):
            return (displacements.read_array(content, grid),)
        if name.endswith(_TEXT):
            return links_from_records(itk_files.read_text(content))
        if name.endswith(_MATLAB):
            return links_from_records(itk_files.read_matlab(content))
        return links_from_records(itk_files.read_hdf5(content))
    except ValueError as error:
        raise TransformError(
            f"{path}: cannot be used as a transform: {error}"
        ) from error


def write_links(
    path: Path, links: tuple[Link, ...], layout: Layout | None, grid: Grid | None
) -> Path:
    """Write a chain of maps, whole or not at all.

    Args:
        path: The file.
        links: The maps, of which the last is applied first.
        layout: Of a displacement in NIfTI; "ras" unless given.
        grid: Of a displacement; by default that of the map that is applied first.

    Returns:
        The path.

    Raises:
        TransformError: If the format cannot hold the transform, or a grid is needed.
    """
    name = _known(path)
    try:
        if name.endswith((*_NIFTI, *_ARRAY)):
            field = _sampled(links, grid)
            # Our own files have three components, wherever the plane lies.
            d = field.ndim if layout == "ants" else 3
            if name.endswith(_ARRAY):
                content = displacements.write_array(field)
            else:
                zipped = name.endswith(".gz")
                kind = layout or "ras"
                content = displacements.write_nifti(field, kind, d, zip=zipped)
        elif name.endswith(_MATLAB):
            content = itk_files.write_matlab(records_from_links(links, compose=False))
        else:
            write = itk_files.write_text
            if name.endswith(_HDF5):
                write = itk_files.write_hdf5
            content = write(records_from_links(links))
    except ValueError as error:
        raise TransformError(f"{path}: cannot be written: {error}") from error
    return write_bytes(path, content)


def _known(path: Path) -> str:
    """Name of the file in small letters, if it has a known ending."""
    name = path.name.lower()
    if not name.endswith(ENDINGS):
        raise TransformError(
            f"{path}: the name of a transform ends in one of {', '.join(ENDINGS)}."
        )
    return name


def _sampled(links: tuple[Link, ...], grid: Grid | None) -> Field:
    """A chain as one displacement."""
    if grid is None:
        first = links[-1] if links else None
        if isinstance(first, Field) and len(links) == 1:
            return first
        grid = getattr(first, "grid", None)
    if grid is None:
        raise ValueError("an affine map has no grid of its own; give one.")
    vectors = over_grid(grid, lambda points: map_points(links, points) - points)
    return Field(vectors, grid)
