"""Images of MetaImage and NRRD, by SimpleITK (extra `formats`)."""

import re
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
# Names of spaces that say where R, A and S are: `left-posterior-superior`, `RAS`.
_SPACE = re.compile("(left|right|l|r)-?(anterior|posterior|a|p)", re.IGNORECASE)


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
    fields = _fields(path)
    notes = []
    units = _units(fields)[:k]
    factors = np.array([_UNITS.get(unit, 1.0) for unit in units])
    if np.any(factors != 1):
        affine[: len(units)] *= factors[:, None]
        if k == 2:
            affine[2, 2] = 1
        sizes = " × ".join(f"{size:.4g}" for size in voxel_sizes(affine)[:k])
        notes.append(
            f"its lengths are {', '.join(dict.fromkeys(units))} and were converted, "
            f"voxels of {sizes} mm; ITK and Slicer take the numbers as mm."
        )
    if k == 3 and "nrrd" in fields and not _SPACE.match(fields.get("space", "")):
        found = fields.get("space", "no space")
        notes.append(
            f"its header names {found}, which does not say what its axes are; L, P, S "
            "are assumed, as ITK and Slicer do. Write the space into the header if it "
            "is another one."
        )
    return array, Place(_FLIP @ affine, notes=tuple(notes))


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


def _fields(path: Path) -> dict[str, str]:
    """The fields of a text header, names in small letters."""
    with path.open("rb") as file:
        start = file.read(_LONGEST_HEADER).partition(b"\n\n")[0]
    text = start.decode("utf-8", errors="replace")
    fields = {"nrrd": ""} if text.startswith("NRRD") else {}
    for line in text.splitlines():
        key, found, value = line.replace("=", ":", 1).partition(":")
        if found:
            fields.setdefault(key.strip().lower(), value.strip())
    return fields


def _units(fields: dict[str, str]) -> list[str]:
    """The unit of length along each axis of the world; one is that of all."""
    text = next((fields[key] for key in _KEYS if key in fields), "")
    units = [word.removesuffix("s") for word in text.replace('"', " ").split()]
    return units * 3 if len(units) == 1 else units
