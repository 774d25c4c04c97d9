"""Transforms applied from files to files: images, label maps and points."""

import dataclasses
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from autoreg_jax.data import ENDINGS, read_image, read_labels, write_volume
from autoreg_jax.errors import ConfigError, GeometryError, ImageWarning
from autoreg_jax.geometry import Grid, Volume, check_height
from autoreg_jax.inference._fill import Fill, check_fill, moved_image
from autoreg_jax.transforms import (
    POINT_ENDINGS,
    ImagePair,
    Transform,
    check_plane,
    doubts,
    read_chain,
    read_points,
    split_word,
    write_points,
)

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Conventions:
    """What files of other programs do not say themselves.

    Attributes:
        layout: What the vectors of NIfTI fields are, instead of what the header says:
            "ants" (mm, LPS), "ras" (mm, RAS), "positions" (mm, RAS, in the moving
            image), "learn2reg" (voxels) or "fsl".
        points_space: "ras" or "lps", of points in mm.
        points_image: Image whose voxels a file of points counts.
        fsl_source: Image that was moved when a file of FSL was made (`flirt -in`).
        fsl_reference: Image that it was moved to (`flirt -ref`).
    """

    layout: Literal["ants", "ras", "positions", "learn2reg", "fsl"] | None = None
    points_space: Literal["ras", "lps"] | None = None
    points_image: Path | None = None
    fsl_source: Path | None = None
    fsl_reference: Path | None = None


def apply_files(
    source: Path,
    chain: Sequence[str],
    output: Path,
    *,
    reference: Path | None = None,
    interpolation: Literal["linear", "nearest", "label"] = "linear",
    inverse: bool = False,
    fill: Fill = None,
    conventions: Conventions | None = None,
) -> None:
    """Move an image, a label map or points and write the result.

    Args:
        source: Image or label map, or points (CSV, or a file of Slicer, elastix or
            ITK-SNAP), of the moving subject.
        chain: Transform files in the order of antsApplyTransforms: the last one is
            applied to the image first. `[FILE,1]` is the inverse of FILE.
        output: File to write, in a format of `data.read_image`; points are written
            with the ending of the source.
        reference: Image whose grid the result gets; not needed for points.
        interpolation: "linear" for images; for label maps "nearest", or "label", the
            label with the largest linear share.
        inverse: Apply the inverse of the whole chain.
        fill: Value of an image where the source has no voxels: a number, or "auto" for
            its smallest value if that is below 0, as in CT; default: 0.
        conventions: What the files do not say themselves.

    Warns:
        ImageWarning: If points or voxels of the reference lie outside of a
            displacement, if an affine map that follows one is missing, or if an image
            with values below 0 is filled with 0 because no `fill` was given.

    Raises:
        ConfigError: If there is no transform or no reference, if the output has an
            unknown ending or is an input, or if `fill` is given and no image.
        DataError: If an image or points cannot be read.
        GeometryError: If image, points, reference and transforms differ in dimension.
        TransformError: If a transform cannot be read or inverted.
    """
    noted = conventions or Conventions()
    ending = next((e for e in POINT_ENDINGS if source.name.lower().endswith(e)), None)
    if not chain:
        raise ConfigError("no transform given; give one or more with -t.")
    if ending is None and not source.name.lower().endswith(ENDINGS):
        raise ConfigError(
            f"{source}: is neither an image ({', '.join(ENDINGS)}) nor points "
            f"({', '.join(POINT_ENDINGS)}) by its name; convert it."
        )
    check_fill(fill)
    if fill is not None and (ending or interpolation != "linear"):
        raise ConfigError(
            "fill is for images; label maps get 0, points have no outside."
        )
    if ending is None and reference is None:
        raise ConfigError("images need a reference grid; give one with -r.")
    allowed = ENDINGS if ending is None else (ending,)
    if not output.name.lower().endswith(allowed):
        what = "the output" if ending is None else f"points of a {ending} file"
        raise ConfigError(
            f"{output}: the name of {what} must end in {' or '.join(allowed)}."
        )
    inputs = [source, reference, *(split_word(word)[0] for word in chain)]
    if output.resolve() in {path.resolve() for path in inputs if path is not None}:
        raise ConfigError(f"{output}: is an input; choose another name.")
    onto = read_image(reference) if reference else None
    grid = onto.grid if onto else None
    read = read_image if interpolation == "linear" else read_labels
    image = read(source) if ending is None else None
    is_one = len(chain) == 1 and not inverse and not split_word(chain[0])[1]
    images = _images(noted, image.grid if image else None, grid, is_one)
    whole = read_chain(chain, layout=noted.layout, grid=grid, images=images)
    if inverse:
        whole = whole.inverse()
    if image is None:
        drawn_on = read_image(noted.points_image) if noted.points_image else None
        points = read_points(
            source,
            space=noted.points_space,
            drawn_on=drawn_on.grid if drawn_on else None,
            moved_to=grid,
        )
        _check_points(source, points.positions, whole)
        places = np.pad(points.positions, ((0, 0), (0, 3 - points.positions.shape[1])))
        _say(doubts(whole.inverse(), [places], f"points of {source.name}"))
        moved = whole.points_to_fixed(points.positions)
        write_points(output, dataclasses.replace(points, positions=moved))
    elif onto is not None:
        slabs = (onto.grid.points(k, k + 1) for k in range(onto.shape[0]))
        _say(doubts(whole, slabs, f"voxels of {onto.path}"))
        write_volume(output, _resampled(image, whole, onto, interpolation, fill))


def _images(
    noted: Conventions, source: Grid | None, reference: Grid | None, is_one: bool
) -> ImagePair:
    """The images of a file of FSL: those given, or the input and the reference.

    The latter are assumed for a single transform from the one to the other only.
    """
    first, second = (
        read_image(path).grid if path else None
        for path in (noted.fsl_source, noted.fsl_reference)
    )
    others = tuple(grid for grid in (source, reference) if grid is not None)
    if not is_one:
        return ImagePair(first, second, others=others)
    is_assumed = first is None or second is None
    return ImagePair(first or source, second or reference, is_assumed, others)


def _check_points(
    path: Path, positions: Float[np.ndarray, "n d"], whole: Transform
) -> None:
    """Refuse points of a plane for transforms of space, and the contrary.

    Raises:
        GeometryError: If z is missing, or points are not in the plane of transforms.
    """
    if positions.shape[1] < whole.ndim:
        raise GeometryError(f"{path}: has no column z, which a 3-D transform needs.")
    if whole.ndim == 2 and positions.shape[1] == 3:
        try:
            check_plane(whole.links, positions)
        except ValueError as error:
            raise GeometryError(f"{path}: {error}") from error


def _say(sentences: Sequence[str]) -> None:
    for sentence in sentences:
        warnings.warn(sentence, ImageWarning, stacklevel=3)


def _resampled(
    image: Volume,
    whole: Transform,
    onto: Volume,
    interpolation: Literal["linear", "nearest", "label"],
    fill: Fill,
) -> Volume:
    """The image on the grid of the reference."""
    if image.ndim != onto.ndim:
        raise GeometryError(
            f"{image.path} has {image.ndim} axes and {onto.path} has {onto.ndim}; give "
            "two slices or two volumes."
        )
    if whole.ndim < image.ndim:
        raise GeometryError(
            f"{image.path} is a volume and the transforms are 2-D; give 3-D transforms."
        )
    check_height(image, whole(onto.grid.corners), onto.path or "the reference")
    if interpolation == "linear":
        array = moved_image(whole, image, onto.grid, fill)
    else:
        array = whole.apply(image.array, image.grid, onto.grid, interpolation)
    if image.array.any() and not array.any():
        _LOGGER.warning(
            "%s: no part of it lies on the grid of %s; check the order and the "
            "direction of the transforms.",
            image.path,
            onto.path,
        )
    return Volume(array, onto.affine, space=onto.space)
