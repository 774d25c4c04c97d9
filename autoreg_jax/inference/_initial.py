"""A transform from which a registration begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from autoreg_jax.alignment import Prealignment
from autoreg_jax.errors import ConfigError, GeometryError
from autoreg_jax.geometry import Grid, Interpolation, Volume, check_axes
from autoreg_jax.inference._fill import moved_image
from autoreg_jax.transforms import (
    Affine,
    ImagePair,
    Link,
    Transform,
    check_whole,
    read_chain,
    split_word,
)

__all__ = ["Initial", "Start", "found_transform", "initial_files", "initial_transform"]

Start = Transform | Path | str | Sequence[Path | str] | None
"""A transform, a file, or files in the order of `autoreg apply`."""


@dataclass(frozen=True, eq=False)
class Initial:
    """Where a registration begins: the moving image is seen through a transform.

    Attributes:
        transform: From the fixed image to the moving one; no links for the headers.
    """

    transform: Transform

    @property
    def is_linear(self) -> bool:
        """Whether a header can say it."""
        return all(isinstance(link, Affine) for link in self.transform.links)

    def place(
        self, volume: Volume, fixed: Volume, interpolation: Interpolation = "linear"
    ) -> Volume:
        """A volume in the world of the moving image, moved into that of the fixed.

        An affine map changes the header alone. After any other the volume is on the
        grid of the fixed image.
        """
        if self.is_linear:
            matrix = np.eye(4)
            for link in self.transform.links:
                matrix = matrix @ link.full  # pyright: ignore[reportAttributeAccessIssue]
            return Volume(
                volume.array, np.linalg.inv(matrix) @ volume.affine, volume.path
            )
        grid = fixed.grid
        if interpolation == "linear":
            array = moved_image(self.transform, volume, grid, "auto")
        else:
            array = self.transform.apply(volume.array, volume.grid, grid, interpolation)
        return Volume(array, fixed.affine, volume.path)

    def place_points(
        self, points: Float[np.ndarray, "n 3"]
    ) -> Float[np.ndarray, "n 3"]:
        """Points of the moving image, mm, moved into the world of the fixed one.

        Raises:
            TransformError: If the transform folds there.
        """
        return self.transform.points_to_fixed(points)

    def before(self, found: Transform) -> Transform:
        """What was found between fixed and placed image, and then this transform.

        Affine maps that follow each other become one.
        """
        links: list[Link] = []
        for link in (*self.transform.links, *found.links):
            if links and isinstance(link, Affine) and isinstance(links[-1], Affine):
                links[-1] = _product(links[-1], link)
            else:
                links.append(link)
        return Transform(tuple(links))


def initial_transform(given: Start, fixed: Volume, moving: Volume) -> Initial:
    """Read and check a start.

    Args:
        given: The transform or its files; None begins with the headers.
        fixed: The fixed image.
        moving: The moving image.

    Raises:
        ConfigError: If there is no file in a list of them.
        GeometryError: If it is one of the plane and the images are volumes.
        TransformError: If a file cannot be used, or is only a part of a map.
    """
    if given is None:
        return Initial(Transform())
    check_axes(fixed, moving)
    if isinstance(given, Transform):
        start, name = given, "the initial transform"
    else:
        words = [given] if isinstance(given, Path | str) else list(given)
        if not words:
            raise ConfigError("init: no initial transform in the list; give one.")
        images = ImagePair(moving.grid, fixed.grid, assumed=len(words) == 1)
        start = read_chain(words, grid=fixed.grid, images=images)
        name = ", ".join(map(str, words))
    check_whole(start, name)
    if start.links and start.ndim < fixed.ndim:
        raise GeometryError(
            f"{name}: is a transform of the plane, the images are volumes; give one of "
            "space."
        )
    return Initial(start)


def found_transform(
    prealignment: Prealignment, displacement_mm: np.ndarray, grid: Grid
) -> Transform:
    """What was found as a map: the displacement, then the alignment without a border.

    Args:
        prealignment: How the moving image was placed.
        displacement_mm: `(*space, 3)`, mm, RAS+, on the grid.
        grid: Of the fixed image.
    """
    field = Transform.displacement(displacement_mm, grid)
    if prealignment.alignment is None or not prealignment.is_used:
        return field
    matrix = prealignment.alignment.matrix
    if grid.ndim == 2 and np.array_equal(matrix[2], [0, 0, 1, 0]):
        matrix = matrix[np.ix_([0, 1, 3], [0, 1, 3])]
    linear = Transform.affine(matrix)
    return linear @ field if displacement_mm.any() else linear


def initial_files(given: Start) -> list[Path]:
    """The files of a start, which are inputs and must not be overwritten."""
    if given is None or isinstance(given, Transform):
        return []
    words = [given] if isinstance(given, Path | str) else given
    return [split_word(word)[0] for word in words]


def _product(second: Affine, first: Affine) -> Affine:
    """One affine map after another."""
    if second.ndim == first.ndim:
        return Affine(second.matrix @ first.matrix)
    return Affine(second.full @ first.full)
