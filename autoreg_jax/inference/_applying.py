"""Moves images, label maps and points by one chain of transform files."""

import dataclasses
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from autoreg_jax.data import read_image, read_labels, write_volume
from autoreg_jax.errors import GeometryError, ImageWarning
from autoreg_jax.geometry import Grid, Volume, check_height
from autoreg_jax.inference._fill import Fill, moved_image
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

__all__ = ["Applying", "Conventions", "points_ending"]

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


@dataclass(frozen=True)
class Applying:
    """What is the same for all inputs of a call, see `apply_files`.

    Attributes:
        chain: Transform files.
        onto: The reference, if there is one; images need it.
        interpolation: Of images.
        inverse: Whether the inverse of the chain is applied.
        fill: Value outside of images.
        noted: What the files do not say.
    """

    chain: Sequence[str]
    onto: Volume | None
    interpolation: Literal["linear", "nearest", "label"]
    inverse: bool
    fill: Fill
    noted: Conventions

    def to_each(self, sources: Sequence[Path], outputs: Sequence[Path]) -> None:
        """Move each source and write it.

        Raises:
            DataError, GeometryError, TransformError: As `apply_files`.
        """
        read = read_image if self.interpolation == "linear" else read_labels
        whole, first = None, None
        for source, output in zip(sources, outputs, strict=True):
            if points_ending(source) or self.onto is None:
                self._to_points(source, output, is_alone=len(sources) == 1)
                continue
            image = read(source)
            if whole is None or first is None:
                whole, first = self._read(image.grid, is_alone=True), image.grid
                slabs = (
                    self.onto.grid.points(k, k + 1) for k in range(self.onto.shape[0])
                )
                _say(doubts(whole, slabs, f"voxels of {self.onto.path}"))
            elif not image.grid.matches(first):
                # A file of FSL is for images on one grid: of which, has to be said.
                whole = self._read(image.grid, is_alone=False)
            moved = _resampled(image, whole, self.onto, self.interpolation, self.fill)
            write_volume(output, moved)

    def _read(self, source: Grid | None, *, is_alone: bool) -> Transform:
        """The whole map, for an image on a grid or for points."""
        is_one = len(self.chain) == 1 and not split_word(self.chain[0])[1]
        is_one = is_one and is_alone and not self.inverse
        grid = self.onto.grid if self.onto else None
        images = _images(self.noted, source, grid, is_one)
        layout = self.noted.layout
        whole = read_chain(self.chain, layout=layout, grid=grid, images=images)
        return whole.inverse() if self.inverse else whole

    def _to_points(self, source: Path, output: Path, *, is_alone: bool) -> None:
        whole = self._read(None, is_alone=is_alone)
        image = self.noted.points_image
        points = read_points(
            source,
            space=self.noted.points_space,
            drawn_on=read_image(image).grid if image else None,
            moved_to=self.onto.grid if self.onto else None,
        )
        _check_points(source, points.positions, whole)
        places = np.pad(points.positions, ((0, 0), (0, 3 - points.positions.shape[1])))
        _say(doubts(whole.inverse(), [places], f"points of {source.name}"))
        moved = whole.points_to_fixed(points.positions)
        write_points(output, dataclasses.replace(points, positions=moved))


def points_ending(path: Path) -> str | None:
    """The ending of a file of points; None for another file."""
    return next((e for e in POINT_ENDINGS if path.name.lower().endswith(e)), None)


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
