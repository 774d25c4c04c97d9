"""Time series: four axes, of which the last is time."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from nibabel.nifti1 import Nifti1Header, Nifti1Image
from nibabel.spatialimages import SpatialImage

from autoreg_jax import nifti
from autoreg_jax.data.images._given import Image, open_image
from autoreg_jax.data.images._names import NIFTI
from autoreg_jax.errors import DataError
from autoreg_jax.files import compressed, write_bytes
from autoreg_jax.geometry import Grid, Volume, homogeneous

__all__ = ["Series", "read_series", "write_series"]


@dataclass(frozen=True, eq=False)
class Series:
    """Images of one grid, one after another.

    Attributes:
        array: `(x, y, z, t)`, or `(x, y, t)` for slices, float32.
        affine: Voxel indices to world millimetres, RAS+, `(4, 4)`.
        path: The file it was read from, for messages.
        space: Which world it is, see `Grid`.
        step: Time between two images, in `unit`; 0 if unknown.
        unit: Of the time, as NIfTI names it: "sec", "msec", "usec" or "unknown".
    """

    array: Float[np.ndarray, "... t"]
    affine: Float[np.ndarray, "4 4"]
    path: Path | None = None
    space: int = 2
    step: float = 0.0
    unit: str = "unknown"

    def __len__(self) -> int:
        return self.array.shape[-1]

    @property
    def grid(self) -> Grid:
        """Of each image."""
        return Grid(self.array.shape[:-1], self.affine, self.space)

    def at(self, index: int) -> Volume:
        """The image of one time, counted from 0."""
        return Volume(self.array[..., index], self.affine, self.path, self.space)


def read_series(series: Image) -> Series:
    """Read a time series.

    Args:
        series: A NIfTI file with four axes, the last of them time; an image of nibabel
            with four; or a NumPy array `(x, y, z, t)` and its affine, RAS+. A `Series`
            is returned as it is.

    Returns:
        Intensities as stored, float32. Single planes become slices, `(x, y, t)`.

    Warns:
        ImageWarning: If the header leaves open where the images lie.

    Raises:
        DataError: If there is no such file, it has not four axes or fewer than two time
            points, or a voxel is NaN or infinite.
        GeometryError: If its affine is singular or not finite.
    """
    if isinstance(series, Series):
        return series
    step, unit, space, path = 0.0, "unknown", 2, None
    if isinstance(series, tuple | list) and len(series) == 2:
        array = np.asarray(series[0])
        try:
            affine = homogeneous(series[1])
        except ValueError as error:
            raise DataError(f"the affine of the series: {error}") from None
    else:
        stored = open_image(series)
        array, affine, space, path = (
            stored.array,
            stored.affine,
            stored.space,
            stored.file,
        )
        header = _header(series, path)
        zooms = [] if header is None else [*header.get_zooms()]
        if header is not None and len(zooms) > 3:
            step, unit = float(zooms[3]), str(header.get_xyzt_units()[1])
    name = path or "the series"
    shape = array.shape
    if len(shape) != 4 or shape[3] < 2:
        raise DataError(
            f"{name}: a time series has four axes, the last one time, and at least two "
            f"time points; found the shape {shape}."
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    bad = ~np.isfinite(array).all((0, 1, 2))
    if bad.any():
        raise DataError(
            f"{name}: {bad.sum()} of {shape[3]} time points, the first of them "
            f"{int(np.argmax(bad))}, have voxels that are NaN or infinite; replace "
            "them with a number, for example the background."
        )
    if shape[2] == 1:
        array = array[:, :, 0]
    return Series(array, affine, path, space, step, unit)


def write_series(path: Path | str, series: Series) -> Path:
    """Write a time series as float32, whole or not at all.

    Args:
        path: A name that ends in `.nii.gz` or `.nii`.
        series: What to write; slices get a third axis of one.

    Raises:
        ValueError: If the name has another ending.
    """
    path = Path(path)
    if not path.name.lower().endswith(NIFTI):
        raise ValueError(
            f"the name must end in {' or '.join(NIFTI)}, got {path.name!r}."
        )
    array = series.array.astype(np.float32)
    if array.ndim == 3:
        array = array[:, :, None]
    image = Nifti1Image(array, series.affine)
    nifti.put_on(image, series.grid, path)
    image.header.set_zooms((*image.header.get_zooms()[:3], series.step))
    image.header.set_xyzt_units("mm", series.unit)
    content = image.to_bytes()
    if path.name.lower().endswith(".gz"):
        content = compressed(content, is_float=True)
    return write_bytes(path, content)


def _header(series: Image, path: Path | None) -> Nifti1Header | None:
    """Where the time between images stands."""
    if isinstance(series, SpatialImage):
        return series.header if isinstance(series.header, Nifti1Header) else None
    if path is None or not path.name.lower().endswith(NIFTI):
        return None
    with path.open("rb") as file:
        is_compressed = file.read(2) == b"\x1f\x8b"
    with (gzip.open if is_compressed else open)(path, "rb") as file:
        return nifti.header_of(file.read(nifti.LONGEST_HEADER))
