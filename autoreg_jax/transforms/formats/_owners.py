"""Which program wrote a vector field in NIfTI, and so what its vectors are."""

import re
import warnings
from typing import Literal

import numpy as np
from jaxtyping import Float
from nibabel.nifti1 import Nifti1Header

from autoreg_jax.errors import ImageWarning
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms.formats._fsl import FSL_FIELD
from autoreg_jax.transforms.links import linear_fit

__all__ = ["Meaning", "check_content", "meaning_of"]

# The layouts that a user can give, displacements of AFNI and NiftyReg, and the control
# points of NiftyReg.
Meaning = Literal[
    "ants", "ras", "positions", "learn2reg", "fsl", "afni", "niftyreg", "spline"
]

# NIfTI's displacement vectors are along R, A, S; ITK from 5.4 and Slicer from 5.2 turn
# them when they read them (https://github.com/InsightSoftwareConsortium/ITK/pull/3884).
# Plain vectors ITK takes as they are, and so ANTs' are along L, P, S.
_DISPLACEMENT, _VECTOR = 1006, 1007
# Code of a header extension of AFNI.
_AFNI = 4

# NREG_TRANS_TYPE of https://github.com/KCL-BMEIS/niftyreg, reg-lib/cpu/Maths.hpp.
_NIFTYREG: dict[int, Meaning] = {
    0: "positions",
    1: "niftyreg",
    2: "spline",
    6: "positions",  # control points with linear interpolation
}
_TO_DEFORMATION = (
    "write a deformation: reg_transform -ref FIXED.nii.gz -def THIS.nii.gz def.nii.gz"
)
# Intents of FSL that are no fields, from nifti1.h of NIfTI's library.
_FSL = {
    2007: "coefficients of cubic splines of FNIRT",
    2008: "coefficients of cosines of FNIRT",
    2009: "coefficients of quadratic splines of FNIRT",
    2016: "coefficients of cubic splines of TOPUP",
    2017: "coefficients of quadratic splines of TOPUP",
    2018: "a field of TOPUP",
}
_LAYOUTS = (
    "Give the layout (--layout): ras for mm along R, A, S; ants for mm along L, P, S; "
    "positions for positions in the moving image in mm, R, A, S; fsl; learn2reg for "
    "voxels, as VoxelMorph writes them."
)
# Of a matrix in which displacements have 0 and positions the identity.
_CLOSE = 0.5
# Voxels along an axis that show no trend.
_FEW = 4


def meaning_of(header: Nifti1Header, axes: int) -> Meaning:
    """What the vectors of a file are, by all that its header says.

    Args:
        header: As it is stored, with its extensions.
        axes: Number of axes of the image.

    Returns:
        A layout, or "spline", "niftyreg" or "afni".

    Raises:
        ValueError: If the header says that it is something that cannot be used, with
            the command that converts it, or does not say what it is.
    """
    code = int(header["intent_code"])
    name, described, extra = (
        _text(header, key) for key in ("intent_name", "descrip", "aux_file")
    )
    everything = f"{name} {described} {extra}".lower()
    if code == _DISPLACEMENT and described.startswith("autoreg:"):
        return "ras"
    if name.upper().startswith("NREG") or "niftyreg" in everything:
        return _of_niftyreg(header, name)
    if re.search(r"\b(flow|velocity)\b", everything):
        raise ValueError(
            f"by its header ({name or described or extra!r}) it is a flow or velocity "
            "and no deformation; write the deformation with the program that made it, "
            "in SPM with Utils, Deformations."
        )
    is_deformation = described.lower().startswith(("deformation", "inverse deform"))
    if name.lower() == "mapping" or is_deformation:
        return "positions"
    if code == FSL_FIELD or code in _FSL:
        return _of_fsl(code)
    if any(part.get_code() == _AFNI for part in getattr(header, "extensions", ())):
        return "afni"
    if code == _DISPLACEMENT:
        return "ras"
    if code == _VECTOR and name.lower() in ("", "vector"):
        return "ants"
    if code == 0 and axes == 4 and "mrtrix" not in everything:
        warnings.warn(
            "four axes and no intent: the vectors were taken for voxels along the axes "
            "of the fixed image, as Learn2Reg and VoxelMorph write them; if they are "
            "mm along R, A, S, as SynthMorph can write them, give --layout ras.",
            ImageWarning,
            stacklevel=2,
        )
        return "learn2reg"
    found = f"intent {code}" + "".join(
        f", {key} {text!r}"
        for key, text in (("name", name), ("text", described))
        if text
    )
    raise ValueError(
        f"its header ({found}) does not say what the vectors are. {_LAYOUTS}"
    )


def check_content(
    array: Float[np.ndarray, "*space d"], grid: Grid, meaning: Meaning
) -> None:
    """Refuse positions where the header promises displacements, and the contrary.

    Displacements hardly depend on the place, positions are the place and a little more.

    Args:
        array: The vectors as they are stored.
        grid: Where they lie.
        meaning: What the header promises.

    Raises:
        ValueError: If the vectors look like the other kind.
    """
    if min((size for size in grid.shape if size > 1), default=0) < _FEW:
        return
    d = array.shape[-1]
    fitted = linear_fit(array, grid)[:, :3]
    # Only along axes with more than one voxel.
    axes = grid.affine[:3, [k for k, size in enumerate(grid.shape) if size > 1]]
    along = axes / np.linalg.norm(axes, axis=0)
    found = fitted @ along
    lps = np.array([-1.0, -1.0, 1.0])[:d, None]
    voxels = np.linalg.inv(grid.affine)[:3, :3][:d] @ along
    same = [along[:d], lps * along[:d]]
    if meaning == "learn2reg":
        same.append(voxels)
    looks_absolute = any(np.linalg.norm(found - one) < _CLOSE for one in same)
    if meaning in ("ants", "ras", "learn2reg", "afni", "niftyreg") and looks_absolute:
        raise ValueError(
            "by its header it holds displacements, but the vectors look like positions "
            "in the moving image, as SPM, NiftyReg and MRtrix write them. If they are, "
            "give --layout positions (mm along R, A, S)."
        )
    if meaning in ("positions", "spline") and np.linalg.norm(found) < _CLOSE:
        raise ValueError(
            "by its header it holds positions in the moving image, but the vectors "
            "look like displacements. If they are, give --layout ras (mm along R, A, "
            "S) or ants (L, P, S)."
        )


def _of_fsl(code: int) -> Meaning:
    """A field of FNIRT; its coefficients are refused."""
    if code in _FSL:
        raise ValueError(
            f"it holds {_FSL[code]} (intent {code}); write a field: fnirtfileutils "
            "--in=THIS --ref=FIXED --out=field --withaff."
        )
    return "fsl"


def _of_niftyreg(header: Nifti1Header, name: str) -> Meaning:
    """What a file of NiftyReg holds."""
    kind = round(float(header["intent_p1"]))
    if name.upper() != "NREG_TRANS":
        raise ValueError(
            f"it is a file of NiftyReg whose type the header does not give (its name "
            f"is {name!r}, not 'NREG_TRANS'); {_TO_DEFORMATION}."
        )
    if kind not in _NIFTYREG:
        what = "a velocity" if kind in (3, 4, 5) else "an unknown type"
        raise ValueError(
            f"it is {what} of NiftyReg (intent_p1 {kind}), which is not integrated "
            f"here; {_TO_DEFORMATION}."
        )
    if _NIFTYREG[kind] == "spline" and len(getattr(header, "extensions", ())):
        raise ValueError(
            "it is a grid of control points of NiftyReg with an affine of its own; "
            f"{_TO_DEFORMATION}."
        )
    return _NIFTYREG[kind]


def _text(header: Nifti1Header, key: str) -> str:
    """A text of the header."""
    value = header[key].item()
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text.partition("\0")[0].strip()
