"""Images of MetaImage and NRRD, by SimpleITK (extra `formats`)."""

import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float, Num
from nibabel.affines import voxel_sizes

from autoreg_jax.errors import DataError
from autoreg_jax.nifti import Place

__all__ = ["encode", "read"]

# From RAS to LPS and back.
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
# Millimetres of the units that NRRD and MetaImage may name; ITK reads over them.
_UNITS = {"m": 1e3, "cm": 10.0, "um": 1e-3, "µm": 1e-3, "micron": 1e-3, "nm": 1e-6}
_KEYS = ("space units", "distanceunits")
_LONGEST_HEADER = 16384


def read(path: Path, *, voxels: bool) -> tuple[Num[np.ndarray, "..."], Place]:
    """An image as stored, and where it lies.

    Args:
        path: A `.nrrd`, `.nhdr`, `.mha` or `.mhd` file.
        voxels: Read the voxels; otherwise they are zeros that take no memory.

    Raises:
        DataError: If SimpleITK is not installed, or does not read such a name.
        RuntimeError: If it cannot read the file.
    """
    sitk = _simple_itk(path)
    if voxels:
        image: Any = sitk.ReadImage(str(path))
        array = sitk.GetArrayFromImage(image)
        d = image.GetDimension()
        array = array.transpose(*range(d - 1, -1, -1), *range(d, array.ndim))
    else:
        image = sitk.ImageFileReader()
        image.SetFileName(str(path))
        image.ReadImageInformation()
        d, channels = image.GetDimension(), image.GetNumberOfComponents()
        shape = (*image.GetSize(), *([channels] if channels > 1 else []))
        array = np.broadcast_to(np.zeros((), np.uint8), shape)
    k = min(d, 3)
    direction = np.array(image.GetDirection()).reshape(d, d)[:k, :k]
    affine = np.eye(4)
    affine[:k, :k] = direction * np.array(image.GetSpacing()[:k])
    affine[:k, 3] = image.GetOrigin()[:k]
    unit = _unit(path)
    if unit not in _UNITS:
        return array, Place(_FLIP @ affine)
    affine[:3] *= _UNITS[unit]
    if k == 2:
        affine[2, 2] = 1
    sizes = " × ".join(f"{size:.4g}" for size in voxel_sizes(affine)[:k])
    note = f"its lengths are {unit} and were converted, voxels of {sizes} mm; ITK and "
    note += "Slicer take the numbers as mm."
    return array, Place(_FLIP @ affine, notes=(note,))


def encode(
    name: str, array: Num[np.ndarray, "x y z"], affine: Float[np.ndarray, "4 4"]
) -> dict[str, bytes]:
    """The files of an image, by name; the header comes last.

    Args:
        name: Of the file, with its ending; `.nhdr` and `.mhd` have their voxels in a
            second file.
        array: In a type of ITK.
        affine: Voxel indices to world, mm, RAS+.

    Raises:
        DataError: If SimpleITK is not installed, or would not read such a name.
    """
    sitk = _simple_itk(Path(name))
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    lps = _FLIP @ affine
    spacing = voxel_sizes(lps)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    with tempfile.TemporaryDirectory() as folder:
        header = Path(folder) / name
        # ITK knows its endings in small letters only.
        lower = header.with_suffix(header.suffix.lower())
        sitk.WriteImage(image, str(lower), useCompression=True)
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    files[name] = files.pop(lower.name)
    return files


def _simple_itk(path: Path) -> ModuleType:
    if path.suffix in (".MHA", ".MHD"):
        raise DataError(
            f"{path}: ITK knows {path.suffix.lower()} in small letters only; rename "
            "the file."
        )
    try:
        import SimpleITK
    except ImportError:
        raise DataError(
            f"{path}: {path.suffix} files need SimpleITK; install it by pip install "
            '"autoreg_jax[formats]", or convert the image to .nii.gz.'
        ) from None
    return SimpleITK


def _unit(path: Path) -> str:
    """The unit of length that the header names."""
    with path.open("rb") as file:
        start = file.read(_LONGEST_HEADER).partition(b"\n\n")[0]
    for line in start.decode("utf-8", errors="replace").splitlines():
        key, _, value = line.replace("=", ":", 1).partition(":")
        words = value.replace('"', " ").split()
        if key.strip().lower() in _KEYS and words:
            return words[0].removesuffix("s")
    return ""
