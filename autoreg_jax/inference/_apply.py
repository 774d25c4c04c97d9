"""Transforms applied from files to files: images, label maps and points."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from autoreg_jax.data import ENDINGS, read_image, read_labels, write_volume
from autoreg_jax.errors import ConfigError, GeometryError
from autoreg_jax.geometry import Volume
from autoreg_jax.transforms import (
    Transform,
    read_chain,
    read_points,
    split_word,
    write_points,
)

_LOGGER = logging.getLogger(__name__)


def apply_files(
    source: Path,
    chain: Sequence[str],
    output: Path,
    *,
    reference: Path | None = None,
    interpolation: Literal["linear", "nearest", "label"] = "linear",
    inverse: bool = False,
    layout: Literal["ants", "ras", "learn2reg"] | None = None,
) -> None:
    """Move an image, a label map or points and write the result.

    Args:
        source: Image or label map or points (CSV) of the moving subject.
        chain: Transform files in the order of antsApplyTransforms: the last one is
            applied to the image first. `[FILE,1]` is the inverse of FILE.
        output: File to write, in a format of `data.read_image`; .csv for points.
        reference: Image whose grid the result gets; not needed for points.
        interpolation: "linear" for images; for label maps "nearest", or "label", the
            label with the largest linear share.
        inverse: Apply the inverse of the whole chain.
        layout: Units of NIfTI displacements with a wrong header: mm LPS, mm RAS or
            voxels.

    Raises:
        ConfigError: If there is no transform or no reference, or if the output has an
            unknown ending or is an input.
        DataError: If an image cannot be read.
        GeometryError: If image, reference and transforms differ in dimension.
        TransformError: If a transform cannot be read or inverted.
    """
    is_table = source.name.lower().endswith(".csv")
    if not chain:
        raise ConfigError("no transform given; give one or more with -t.")
    if not is_table and reference is None:
        raise ConfigError("images need a reference grid; give one with -r.")
    allowed = (".csv",) if is_table else ENDINGS
    if not output.name.lower().endswith(allowed):
        raise ConfigError(
            f"{output}: the name of the output must end in {' or '.join(allowed)}."
        )
    inputs = [source, reference, *(split_word(word)[0] for word in chain)]
    if output.resolve() in {path.resolve() for path in inputs if path is not None}:
        raise ConfigError(f"{output}: is an input; choose another name.")
    onto = read_image(reference) if reference else None
    grid = onto.grid if onto else None
    whole = read_chain(chain, layout=layout, grid=grid)
    if inverse:
        whole = whole.inverse()
    if is_table:
        points = read_points(source)
        if points.positions.shape[1] < whole.ndim:
            raise GeometryError(
                f"{source}: has no column z, which a 3-D transform needs."
            )
        moved = whole.points_to_fixed(points.positions)
        write_points(output, dataclasses.replace(points, positions=moved))
    elif onto is not None:
        write_volume(output, _resampled(source, whole, onto, interpolation))


def _resampled(
    source: Path,
    whole: Transform,
    onto: Volume,
    interpolation: Literal["linear", "nearest", "label"],
) -> Volume:
    """The image on the grid of the reference."""
    image = read_image(source) if interpolation == "linear" else read_labels(source)
    if image.ndim != onto.ndim:
        raise GeometryError(
            f"{source} has {image.ndim} axes and {onto.path} has {onto.ndim}; give two "
            "slices or two volumes."
        )
    if whole.ndim < image.ndim:
        raise GeometryError(
            f"{source} is a volume and the transforms are 2-D; give 3-D transforms."
        )
    array = whole.apply(image.array, image.grid, onto.grid, interpolation)
    if image.array.any() and not array.any():
        _LOGGER.warning(
            "%s: no part of it lies on the grid of %s; check the order and the "
            "direction of the transforms.",
            source,
            onto.path,
        )
    return Volume(array, onto.affine, space=onto.space)
