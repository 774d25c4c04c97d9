"""Several transform files as one, in the order and notation of ANTs."""

import re
from collections.abc import Sequence
from pathlib import Path

from autoreg_jax.errors import TransformError
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms._plane import mixes_dimensions
from autoreg_jax.transforms._transform import Transform
from autoreg_jax.transforms.formats import FORMATS, Format, ImagePair, Layout, is_of_fsl

__all__ = ["read_chain", "split_word"]


def read_chain(
    words: Sequence[Path | str],
    *,
    layout: Layout | None = None,
    grid: Grid | None = None,
    formats: Sequence[Format] = FORMATS,
    images: ImagePair | None = None,
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
        images: The images that a file of FSL or AFNI maps between.

    Returns:
        The map from the reference to the image.

    Raises:
        TransformError: If a file cannot be used, or two are of FSL, which map between
            different images.
    """
    files = [split_word(word) for word in words]
    of_fsl = [str(path) for path, _ in files if is_of_fsl(path)]
    if len(of_fsl) > 1:
        raise TransformError(
            f"{' and '.join(of_fsl)} are files of FSL, each between images of its own; "
            "make one of them: convert_xfm -omat one.mat -concat SECOND.mat FIRST.mat, "
            "or convertwarp --ref=FIXED --premat=FIRST.mat --warp1=WARP --out=one."
        )
    whole = Transform()
    for path, is_inverted in files:
        one = Transform.read(
            path, layout=layout, grid=grid, formats=formats, images=images
        )
        whole = (one.inverse() if is_inverted else one) @ whole
    if mixes_dimensions(whole.links):
        raise TransformError(
            f"{', '.join(str(path) for path, _ in files)}: transforms of the plane and "
            "of space make no chain; give transforms of one kind."
        )
    return whole


def split_word(word: Path | str) -> tuple[Path, bool]:
    """Path of a file, and whether `[file,1]` asks for its inverse.

    Examples:
        >>> [split_word(word)[1] for word in ("[a.mat,1]", "[a.mat, 0]", "a.mat")]
        [True, False, False]
    """
    match = re.fullmatch(r"\[(.+?)\s*,\s*([01])\s*\]", str(word))
    return (Path(match[1]), match[2] == "1") if match else (Path(word), False)
