"""Brings the images of a dataset to one grid and to values from 0 to 1."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from autoreg_jax.config import Intensity
from autoreg_jax.data.datasets import Subject
from autoreg_jax.data.images import (
    check_contrast,
    check_grid,
    masked,
    normalize_intensity,
    read_image,
    read_labels,
    read_mask,
    without_lesion,
)
from autoreg_jax.errors import DataError, GeometryError
from autoreg_jax.geometry import Grid, Volume, resample

__all__ = ["Preprocessed", "Preprocessing"]

# Planes whose normals have a smaller cosine show different things.
_SAME_PLANE = 0.5


class Preprocessed(NamedTuple):
    """A subject on the grid.

    Attributes:
        image: From 0 to 1, a channel for each image of the subject.
        labels: Label map, values as stored; None without.
        label_values: All values of the stored label map, before resampling.
        to_image: World of the grid to world of the image, mm.
        is_resampled: Whether the image was on another grid.
    """

    image: Float[np.ndarray, "*space c"]
    labels: Int[np.ndarray, "*space"] | None
    label_values: tuple[int, ...]
    to_image: Float[np.ndarray, "4 4"]
    is_resampled: bool


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """How the images of a dataset come to one grid.

    Attributes:
        grid: The grid.
        align: Finds the matrix, world mm to world mm, that maps points of the grid to
            the same anatomy in an image; None trusts the headers.
        intensity: How grey values become numbers from 0 to 1. Further images of a
            subject are scaled by their percentiles.
        has_masks: Set what is outside of the mask of an image, if it has one, to
            background.
        template: If given, images that are not on its grid are refused rather than
            resampled.
        align_key: Text that names what `align` depends on, for `ImageCache`.
    """

    grid: Grid
    align: Callable[[Volume], Float[np.ndarray, "4 4"]] | None = None
    intensity: Intensity = field(default_factory=Intensity)
    has_masks: bool = True
    template: Volume | None = None
    align_key: str = ""

    def load(self, subject: Subject, *, with_labels: bool) -> Preprocessed:
        """Read a subject and bring it to the grid.

        Args:
            subject: The subject.
            with_labels: Read its label map.

        Raises:
            DataError: If a file cannot be used, the image is constant, or a lesion
                covers all of it.
            GeometryError: As `to_image` and `image`, and if the image is not on the
                grid of `template`, or its mask or label map on another grid.
        """
        image = read_image(subject.image)
        if self.template is not None:
            rule = "all images of a dataset must share one grid; resample one"
            check_grid(image, self.template, rule)
        to_image = self.to_image(image)
        lesion = None
        if subject.lesion is not None:
            lesion = read_mask(subject.lesion, image)
            image = _filled(image, lesion)
        mask = None
        if self.has_masks and subject.mask is not None:
            mask = read_mask(subject.mask, image)
        arrays = [self.image(image, to_image, mask)]
        for path in subject.more_images:
            other = read_image(path)
            if self.template is not None:
                check_grid(other, self.template, "all images must share one grid")
            if lesion is not None:
                other = _filled(other, lesion)
            part = mask and self._on(mask, other)
            arrays.append(self.image(other, to_image, part, Intensity()))
        array = np.stack(arrays, -1)
        labels, values = None, ()
        if with_labels and subject.labels is not None:
            stored = read_labels(subject.labels, image)
            values = tuple(np.unique(stored.array).tolist())
            labels = resample(stored, self._moved(to_image), order=0)
        is_on_grid = self.align is None and image.grid.matches(self.grid)
        return Preprocessed(array, labels, values, to_image, not is_on_grid)

    def image(
        self,
        image: Volume,
        to_image: Float[np.ndarray, "4 4"],
        mask: Volume | None = None,
        intensity: Intensity | None = None,
    ) -> Float[np.ndarray, "*space"]:
        """An image on the grid, from 0 to 1.

        Args:
            image: The image.
            to_image: World of the grid to world of the image, mm.
            mask: Its mask, not empty.
            intensity: How it is scaled; default: `intensity` of this.

        Raises:
            DataError: If all voxels have the same value.
            GeometryError: If nothing of it lies on the grid.
        """
        array = masked(image, mask)
        check_contrast(Volume(array, image.affine, image.path))
        values = normalize_intensity(array, intensity or self.intensity)
        scaled = Volume(values, image.affine)
        grid = self._moved(to_image)
        resampled = resample(scaled, grid)
        if not resampled.any():
            distance = np.linalg.norm(image.grid.centre - grid.centre)
            raise GeometryError(
                f"{image.path} shows nothing on the working grid: their centres are "
                f"{distance:.0f} mm apart. Repair the header (sform or qform), or edit "
                "grid and affine in plan.yaml."
            )
        return resampled

    def to_image(self, image: Volume) -> Float[np.ndarray, "4 4"]:
        """World of the grid to world of an image, mm.

        Raises:
            GeometryError: If the image has another number of axes than the grid, or is
                a slice of another plane.
        """
        if image.ndim != self.grid.ndim:
            raise GeometryError(
                f"{image.path} has {image.ndim} axes, the working grid has "
                f"{self.grid.ndim}; use slices alone or volumes alone."
            )
        matrix = np.eye(4) if self.align is None else self.align(image)
        if image.ndim == 2:
            normals = [
                np.cross(affine[:3, 0], affine[:3, 1])
                for affine in (image.affine, matrix @ self.grid.affine)
            ]
            cosine = np.prod([1 / np.linalg.norm(normal) for normal in normals])
            if abs(cosine * np.dot(*normals)) < _SAME_PLANE:
                raise GeometryError(
                    f"{image.path} is a slice of another plane than the working grid; "
                    "use slices of one orientation, or repair the header."
                )
        return matrix

    @staticmethod
    def _on(mask: Volume, image: Volume) -> Volume:
        """The mask of a subject on the grid of another image of it."""
        if mask.grid.matches(image.grid) and mask.shape == image.shape:
            return mask
        found = resample(mask, image.grid, order=0)
        return Volume(found, image.affine, mask.path)

    def _moved(self, to_image: Float[np.ndarray, "4 4"]) -> Grid:
        """The grid in the world of an image."""
        return Grid(self.grid.shape, to_image @ self.grid.affine)


def _filled(image: Volume, lesion: Volume) -> Volume:
    """The image without the lesion, see `without_lesion`."""
    found, inside = without_lesion(image, lesion)
    if inside.all():
        raise DataError(
            f"{lesion.path} covers all of {image.path}; a lesion mask is not 0 where "
            "the lesion is, and a mask of what to compare belongs in the column 'mask'."
        )
    return found
