"""What a header says of the place of its image, in its own unit of length."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from nibabel.affines import voxel_sizes
from nibabel.nifti1 import Nifti1Header
from nibabel.quaternions import quat2mat

from autoreg_jax.geometry import homogeneous

__all__ = ["FLOAT32", "Affine", "Forms", "forms_of", "is_rectangular"]

Affine = Float[np.ndarray, "4 4"]

FLOAT32 = 1.2e-7
# By how much the matrix of directions times its transpose may differ from 1 for ITK.
_RECTANGULAR = 1e-4
# Three numbers that are longer are no part of a rotation.
_LONGEST = 1 + 1e-5


@dataclass(frozen=True, eq=False)
class Forms:
    """The answers of a header.

    Attributes:
        codes: Of sform and qform; 0: not set.
        sform: Voxel indices to world; None if it is not set or not invertible.
        qform: Its second answer; None if it is not set or not a rotation.
        centred: The place without both, that of nibabel and SPM: x to the left, the
            origin in the middle.
        itk: Where ITK 5.2 to 5.4, and so ANTs and Slicer, see the image; None if they
            refuse it.
        rounding: What the qform loses by its float32, at most, at a corner.
    """

    codes: tuple[int, int]
    sform: Affine | None
    qform: Affine | None
    centred: Affine
    itk: Affine | None
    rounding: float


# Damaged headers may hold signalling NaNs, about which NumPy would warn.
@np.errstate(invalid="ignore")
def forms_of(header: Nifti1Header, shape: tuple[int, ...]) -> Forms:
    """Read all answers of a header as it is stored, without the repairs of nibabel."""
    stored = np.asarray(header["pixdim"][1:4], np.float64)
    signed = np.where(np.isfinite(stored) & (stored != 0), stored, 1.0)
    sizes = np.abs(signed)
    codes = (max(int(header["sform_code"]), 0), max(int(header["qform_code"]), 0))
    sform = _invertible(np.array([header[f"srow_{axis}"] for axis in "xyz"]))
    quaternion = _quaternion(header)
    qform = None
    if quaternion is not None:
        # The standard knows 1 and -1; programs look at the sign.
        turn = quat2mat(quaternion) * [1, 1, -1 if header["pixdim"][0] < 0 else 1]
        offset = [[header[f"qoffset_{axis}"]] for axis in "xyz"]
        qform = _invertible(np.hstack([turn * sizes, offset]))
    sform, qform = (sform if codes[0] else None), (qform if codes[1] else None)
    centred = np.diag([-sizes[0], sizes[1], sizes[2], 1])
    centred[:3, 3] = -centred[:3, :3] @ ((np.array(shape) - 1) / 2)
    extent = float(np.linalg.norm(sizes * shape))
    last = 1.0 if quaternion is None else max(quaternion[0], FLOAT32**0.5)
    return Forms(
        codes=codes,
        sform=sform,
        qform=qform,
        centred=centred,
        itk=_itk(codes, sform, qform, signed),
        rounding=2 * FLOAT32 / last * extent,
    )


def is_rectangular(affine: Affine) -> bool:
    """Whether the axes are at right angles, as ITK requires."""
    unit = affine[:3, :3] / voxel_sizes(affine)
    return float(np.abs(unit @ unit.T - np.eye(3)).max()) <= _RECTANGULAR


def _itk(
    codes: tuple[int, int],
    sform: Affine | None,
    qform: Affine | None,
    signed: Float[np.ndarray, "3"],
) -> Affine | None:
    """The qform, unless the sform is alone or has the code 1; sizes of `pixdim`."""
    if not any(codes):
        return np.diag([-signed[0], -signed[1], signed[2], 1])
    usable = sform is not None and is_rectangular(sform)
    chosen = sform if usable and (qform is None or codes[0] == 1) else qform
    if chosen is None:
        return None
    affine = chosen.copy()
    affine[:3, :3] *= signed / voxel_sizes(chosen)
    return affine


def _quaternion(header: Nifti1Header) -> Float[np.ndarray, "4"] | None:
    """The unit quaternion of the qform, its first number not negative."""
    three = np.array([header[f"quatern_{name}"] for name in "bcd"], np.float64)
    length = float(three @ three)
    if not length <= _LONGEST:  # NaN as well
        return None
    quaternion = np.array([np.sqrt(max(1 - length, 0.0)), *three])
    return quaternion / np.linalg.norm(quaternion)


def _invertible(rows: Float[np.ndarray, "3 4"]) -> Affine | None:
    try:
        return homogeneous(np.vstack([rows.astype(np.float64), [0, 0, 0, 1]]))
    except ValueError:
        return None
