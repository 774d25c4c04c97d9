"""Where an image lies, in mm along R, A, S: the one reader of forms, codes and units.

A header has up to two answers, sform and qform, in metres, millimetres or microns, and
voxel sizes apart from both. Programs choose differently, so that a header whose
answers differ is read in several ways. Here the sform counts, or else the qform, as for
nibabel, FSL and SPM, and lengths are converted, as ITK does.
"""

from dataclasses import dataclass

import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.nifti1 import Nifti1Header

from autoreg_jax.geometry import Grid, Stated
from autoreg_jax.nifti._forms import Affine, Forms, forms_of

__all__ = ["Place", "place_of"]

# By the code of NIfTI: 0 unknown, 1 metres, 2 millimetres, 3 microns.
_MILLIMETRES = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_UNITS = {1: "metres", 3: "microns"}
# A hundredth of a voxel is rounding.
_ROUNDING = 0.01


@dataclass(frozen=True, eq=False)
class Place:
    """Where an image lies.

    Attributes:
        affine: Voxel indices to world, mm, RAS+.
        space: Code of the form that was used: 1 scanner, 2 aligned with another image,
            3 Talairach, 4 MNI 152, 5 another template.
        notes: What other programs read differently, or what had to be assumed.
        stated: Lengths as the header states them, beside the affine.
    """

    affine: np.ndarray
    space: int = 2
    notes: tuple[str, ...] = ()
    stated: Stated | None = None


def place_of(header: Nifti1Header) -> Place:
    """Where the image of a header lies.

    Args:
        header: As it is stored (`header_of`), without the repairs of nibabel.

    Returns:
        The place by the sform, if its code is not 0, or else by the qform; without both
        that of nibabel, the origin in the middle.

    Raises:
        ValueError: If no form that is set is a finite, invertible matrix.
    """
    shape = _shape(header)
    forms = forms_of(header, shape)
    used, space = forms.sform, forms.codes[0]
    if used is None:
        used, space = forms.qform, forms.codes[1]
    if used is None and any(forms.codes):
        rows = [header[f"srow_{axis}"].tolist() for axis in "xyz"]
        raise ValueError(
            f"the affine must be finite and invertible, got the sform {rows} (code "
            f"{forms.codes[0]}, qform code {forms.codes[1]}); repair the sform or "
            "qform of the header."
        )
    if used is None:
        used, space = forms.centred, 2
    code = int(header["xyzt_units"]) & 7
    unit = _MILLIMETRES.get(code, 1.0)
    scale = np.diag([unit] * 3 + [1.0])
    note = _Differences(shape, scale, used, forms).note(header)
    notes = (_unit_note(code, scale @ used), note)
    sizes = np.abs(header["pixdim"][1:4].astype(float))
    sizes = np.where(np.isfinite(sizes) & (sizes > 0), sizes, voxel_sizes(used))
    stated = Stated(tuple(sizes.tolist()), unit)
    return Place(scale @ used, space, tuple(filter(None, notes)), stated)


@dataclass(frozen=True, eq=False)
class _Differences:
    """The answers of a header, compared at the corners of the image."""

    shape: tuple[int, ...]
    scale: Affine
    used: Affine
    forms: Forms

    def note(self, header: Nifti1Header) -> str:
        """The difference that matters most, a sentence with numbers; or nothing."""
        sform, qform, itk = self.forms.sform, self.forms.qform, self.forms.itk
        stored = header["pixdim"][1:4].tolist()
        codes = f"sform (code {self.forms.codes[0]})", f"code {self.forms.codes[1]}"
        if not any(self.forms.codes):
            return (
                "neither sform nor qform is set; the middle of the image is taken as "
                f"the origin and x as leftwards, as nibabel and SPM do, {self._itk()}. "
                "Write the place into the header if positions matter."
            )
        if sform is None and self.forms.codes[0]:
            return (
                f"the {codes[0]} is not a finite, invertible matrix; the qform "
                f"({codes[1]}) is used."
            )
        if qform is None and self.forms.codes[1]:
            return f"the qform ({codes[1]}) is not a rotation; the {codes[0]} is used."
        if sform is not None and qform is not None and self._apart(qform):
            return (
                f"{codes[0]} and qform ({codes[1]}) place the image up to "
                f"{self._apart(qform):.4g} mm apart, its middle at "
                f"{self._middle(sform)} and {self._middle(qform)} mm. The sform is "
                f"used, as by nibabel, FSL and SPM, {self._itk()}. If it is the wrong "
                "one, set its code to 0."
            )
        if itk is not None and self._apart(itk):
            sizes = np.round(voxel_sizes(self.used).tolist(), 6).tolist()
            return (
                f"it is read by its {'sform' if sform is not None else 'qform'} with "
                f"voxels of {sizes}, pixdim says {stored}; {self._itk()}. Correct "
                "pixdim in the header."
            )
        if sform is None and not all(stored):
            return (
                f"pixdim says {stored}, a voxel has no extent; 1 is assumed for 0. "
                "Correct it in the header."
            )
        return ""

    def _itk(self) -> str:
        """How far away ITK sees the image."""
        if self.forms.itk is None:
            return "ITK, ANTs and Slicer refuse it: its axes are not at right angles"
        apart = self._apart(self.forms.itk)
        if not apart:
            return "ITK, ANTs and Slicer do the same"
        return f"ITK, ANTs and Slicer see it up to {apart:.4g} mm away"

    def _apart(self, other: Affine) -> float:
        """Largest distance of a corner from that place, mm; 0 if it is rounding."""
        own = Grid(self.shape, self.used)
        distance = own.distance(Grid(self.shape, other))
        size = min(own.spacing)
        if distance * size <= _ROUNDING * size + self.forms.rounding:
            return 0.0
        return distance * size * self.scale[0, 0]

    def _middle(self, affine: Affine) -> str:
        middle = Grid(self.shape, self.scale @ affine).centre
        return f"({', '.join(f'{value:.4g}' for value in middle)})"


def _shape(header: Nifti1Header) -> tuple[int, int, int]:
    """Number of voxels along the axes of space."""
    dim = [int(size) for size in header["dim"]]
    x, y, z = (dim[axis] if axis <= dim[0] else 1 for axis in (1, 2, 3))
    return max(x, 1), max(y, 1), max(z, 1)


def _unit_note(code: int, affine: Affine) -> str:
    """What is to be said of a unit that is not the millimetre."""
    sizes = " × ".join(f"{size:.4g}" for size in voxel_sizes(affine))
    if code in _UNITS:
        return (
            f"its lengths are {_UNITS[code]} (xyzt_units {code}) and were converted, "
            f"voxels of {sizes} mm, as ITK does; nibabel and FSL take the numbers as "
            "mm. Set the unit to mm if that is right."
        )
    if code not in _MILLIMETRES:
        return (
            f"its unit of length has the unknown code {code}; mm are assumed, voxels "
            f"of {sizes} mm."
        )
    return ""
