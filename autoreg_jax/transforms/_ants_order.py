"""Several transform files as one, in the order and notation of ANTs."""

import re
from collections.abc import Sequence
from pathlib import Path

from autoreg_jax.geometry import Grid
from autoreg_jax.transforms._transform import Transform
from autoreg_jax.transforms.formats import FORMATS, Format, Layout

__all__ = ["read_chain", "split_word"]


def read_chain(
    words: Sequence[Path | str],
    *,
    layout: Layout | None = None,
    grid: Grid | None = None,
    formats: Sequence[Format] = FORMATS,
) -> Transform:
    """Read transforms in the order in which `antsApplyTransforms` takes them.

    A point of the reference goes through the first one first, so that an image, which
    is pulled back, goes through the last one first: what ANTs has written is
    `["1Warp.nii.gz", "0GenericAffine.mat"]`, its inverse
    `["[0GenericAffine.mat,1]", "1InverseWarp.nii.gz"]`.

    Args:
        words: Files; `[file,1]` is the inverse of one.
        layout: Of displacements in NIfTI, where the files do not say it themselves.
        grid: Of the reference image, for displacements in voxels.
        formats: File formats that are known.

    Returns:
        The map from the reference to the image.

    Raises:
        TransformError: If a file cannot be used.
    """
    whole = Transform()
    for word in words:
        path, is_inverted = split_word(word)
        one = Transform.read(path, layout=layout, grid=grid, formats=formats)
        whole = (one.inverse() if is_inverted else one) @ whole
    return whole


def split_word(word: Path | str) -> tuple[Path, bool]:
    """Path of a file, and whether `[file,1]` asks for its inverse.

    Examples:
        >>> [split_word(word)[1] for word in ("[a.mat,1]", "[a.mat, 0]", "a.mat")]
        [True, False, False]
    """
    match = re.fullmatch(r"\[(.+?)\s*,\s*([01])\s*\]", str(word))
    return (Path(match[1]), match[2] == "1") if match else (Path(word), False)
