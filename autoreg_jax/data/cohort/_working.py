"""The grid on which all images of a run are compared, and the way there."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from autoreg_jax.data.images._intensity import Intensity, normalize_intensity
from autoreg_jax.errors import DataError, GeometryError
from autoreg_jax.geometry import Grid, Volume, resample

__all__ = ["Align", "Working", "check_contrast"]

Align = Callable[[Volume], Float[np.ndarray, "4 4"]]
"""Finds the matrix, world mm to world mm, that maps places of the working grid to the
same anatomy in an image."""

# Planes whose normals are further apart show different things.
_SAME_PLANE = 0.5


@dataclass(frozen=True, eq=False)
class Working:
    """How images come to the working grid.

    Attributes:
        grid: The grid.
        align: Matrix of each image, `Align`; None trusts the positions in the headers.
        intensity: How grey values become numbers from 0 to 1.
        has_masks: What lies outside of the mask of an image, if it has one, is
            background.
    """

    grid: Grid
    align: Align | None = None
    intensity: Intensity = field(default_factory=Intensity)
    has_masks: bool = True

    def matrix(self, image: Volume) -> Float[np.ndarray, "4 4"]:
        """World of the grid to world of an image.

        Raises:
            GeometryError: If the image has another number of axes than the grid, or is
                a slice of another plane.
        """
        if image.ndim != self.grid.ndim:
            raise GeometryError(
                f"{image.path} has {image.ndim} axes, and the working grid has "
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

    def image(
        self,
        image: Volume,
        mask: Volume | None = None,
        matrix: Float[np.ndarray, "4 4"] | None = None,
    ) -> Float[np.ndarray, "*space"]:
        """An image on the grid, from 0 to 1.

        Args:
            image: The image as it was read.
            mask: On the grid of the image, not empty; what is outside becomes 0.
            matrix: From `matrix`, if it is known already.

        Raises:
            DataError: If all voxels have one value.
            GeometryError: If nothing of it lies on the grid.
        """
        array = image.array
        if mask is not None and self.has_masks:
            inside = mask.array != 0
            # The darkest value inside, so that the percentiles are of the inside.
            array = np.where(inside, array, array[inside].min())
        check_contrast(Volume(array, image.affine, image.path))
        scaled = normalize_intensity(array, self.intensity)
        matrix = self.matrix(image) if matrix is None else matrix
        grid = Grid(self.grid.shape, matrix @ self.grid.affine)
        found = resample(Volume(scaled, image.affine), grid)
        if not found.any():
            distance = np.linalg.norm(image.grid.centre - grid.centre)
            raise GeometryError(
                f"{image.path} shows nothing on the working grid: their centres are "
                f"{distance:.0f} mm apart. Repair the header (sform or qform), or edit "
                "grid and affine in plan.yaml."
            )
        return found

    def labels(
        self, labels: Volume, matrix: Float[np.ndarray, "4 4"]
    ) -> Int[np.ndarray, "*space"]:
        """A label map on the grid, by the nearest voxel."""
        grid = Grid(self.grid.shape, matrix @ self.grid.affine)
        return resample(labels, grid, order=0)

    def is_on_grid(self, image: Volume) -> bool:
        """Whether an image needs no resampling."""
        return self.align is None and image.grid.matches(self.grid)


def check_contrast(image: Volume) -> None:
    """Make sure that an image shows something.

    Raises:
        DataError: If all voxels have one value.
    """
    if image.array.min() == image.array.max():
        raise DataError(
            f"{image.path}: all voxels are {image.array.flat[0]:g}, the image shows "
            "nothing; export it again, or leave it out."
        )
