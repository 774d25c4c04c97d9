"""Linear transforms of FreeSurfer and MINC: `.lta` and `.xfm`.

Both map the moving image (`src`, `mov`) to the fixed one (`dst`, `targ`); the map from
fixed to moving is the inverse. An `.xfm` of ITK is as its other files are.
"""

import re

import numpy as np
from jaxtyping import Float

from autoreg_jax.transforms.formats._format import damaged
from autoreg_jax.transforms.links import Affine

__all__ = ["read_lta", "read_xfm"]

_VOXELS, _WORLD = 0, 1
# An `.xfm` of ITK is along L, P, S and from fixed to moving, as its other files are.
_OF_ITK = "%ITK-XFM writer"
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
_CONVERT = "Convert it: lta_convert --inlta THIS.lta --outitk transform.txt."


def read_lta(content: bytes, **_: object) -> tuple[Affine]:
    """The map of an `.lta` file, between voxels or in the world.

    Args:
        content: Of the file.

    Raises:
        ValueError: If it holds no or several transforms, one of another type, or one
            between voxels of images that it does not describe.
    """
    # Comments begin with #, but so may a part of the name of an image.
    lines = content.decode("utf-8", errors="replace").splitlines()
    lines = [line.strip() for line in lines if not line.lstrip().startswith("#")]
    with damaged("LTA file of FreeSurfer"):
        kind, count = (int(_value(lines, name)[0]) for name in ("type", "nxforms"))
        valid = [
            line.partition("#")[0].split()[-1:] == ["1"]
            for line in lines
            if line.startswith("valid")
        ]
    if kind not in (_VOXELS, _WORLD) or count != 1:
        raise ValueError(
            f"it holds {count} transform(s) of the type {kind}; one of the type 0 or 1 "
            f"is understood. {_CONVERT}"
        )
    if kind == _VOXELS and (len(valid) < 2 or not all(valid)):
        raise ValueError(
            "it maps between voxels and does not describe its two images (valid = 1). "
            + _CONVERT
        )
    with damaged("LTA file of FreeSurfer"):
        words = [line.split() for line in lines]
        start = words.index(["1", "4", "4"]) + 1
        matrix = np.array(words[start : start + 4], np.float64)
        if kind == _VOXELS:
            ends = [lines.index(f"{name} volume info") for name in ("src", "dst")]
            source, target = (_geometry(lines[end:]) for end in ends)
            matrix = target @ matrix @ np.linalg.inv(source)
        return (Affine(matrix).inverse(),)


def read_xfm(content: bytes, **_: object) -> tuple[Affine]:
    """The map of a linear `.xfm` file of MINC, as FreeSurfer's `talairach.xfm`.

    Args:
        content: Of the file.

    Raises:
        ValueError: If it is not linear or not such a file.
    """
    text = content.decode("utf-8", errors="replace")
    if not text.startswith("MNI Transform File"):
        raise ValueError("it does not begin with 'MNI Transform File'.")
    kinds = re.findall(r"Transform_Type\s*=\s*(\w+)", text)
    if kinds != ["Linear"]:
        raise ValueError(f"one linear transform is needed, found {kinds or 'none'}.")
    numbers = re.search(r"Linear_Transform\s*=([^;]*);", text)
    matrix = np.eye(4)
    with damaged("linear transform of MINC"):
        words = numbers[1].split() if numbers else []
        matrix[:3] = np.array(words, np.float64).reshape(3, 4)
    if _OF_ITK in text:
        return (Affine(_FLIP @ matrix @ _FLIP),)
    return (Affine(matrix).inverse(),)


def _geometry(lines: list[str]) -> Float[np.ndarray, "4 4"]:
    """Voxels of an image to the world."""
    names = ("volume", "voxelsize", "xras", "yras", "zras", "cras")
    volume, size, *axes, centre = (
        np.array(_value(lines, name)[:3], np.float64) for name in names
    )
    affine = np.eye(4)
    affine[:3, :3] = np.stack(axes, -1) * size
    affine[:3, 3] = centre - affine[:3, :3] @ (volume / 2)
    return affine


def _value(lines: list[str], name: str) -> list[str]:
    """Words of the first line `name = …`; FastSurfer puts commas between them."""
    for line in lines:
        key, sign, value = line.partition("=")
        if sign and key.strip() == name:
            return value.partition("#")[0].replace(",", " ").split()
    raise ValueError(f"no line '{name} = …'")
