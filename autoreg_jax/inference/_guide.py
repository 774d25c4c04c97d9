"""Structures and landmarks of both images, which guide a registration."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from autoreg_jax.data import read_labels
from autoreg_jax.errors import ConfigError, DataError, GeometryError
from autoreg_jax.geometry import Grid, Volume, is_inside, resample
from autoreg_jax.inference._comparable import check_companion
from autoreg_jax.inference.optimisation import Guidance
from autoreg_jax.spatial import downsample, half_shape
from autoreg_jax.transforms import read_points

Labels = Volume | Path | str
Landmarks = Float[np.ndarray, "n 3"] | Path | str


@dataclass(frozen=True, eq=False)
class Guide:
    """What a registration should bring together, beside the intensities.

    Attributes:
        labels: Label maps of the fixed and of the moving image, or their files, each on
            any grid in the world of its image. Structures that both have guide.
        landmarks: The same places in the fixed and in the moving image in the same
            order, mm, RAS+, `(n, 3)` each, or files, see `transforms.read_points`.
    """

    labels: tuple[Labels, Labels] | None = None
    landmarks: tuple[Landmarks, Landmarks] | None = None

    @property
    def files(self) -> list[Path]:
        """Those that are read."""
        given = (*(self.labels or ()), *(self.landmarks or ()))
        return [Path(part) for part in given if isinstance(part, Path | str)]

    def read(self, fixed: Volume, moving: Volume) -> "ReadGuide":
        """Read and check everything.

        Args:
            fixed: The fixed image.
            moving: The moving image.

        Raises:
            ConfigError: If there is nothing in it.
            DataError: If a file cannot be used, the images have no structure in common,
                or another number of landmarks.
            GeometryError: If a label map or a landmark lies outside of its image.
        """
        if self.labels is None and self.landmarks is None:
            raise ConfigError("guide: neither labels nor landmarks; give one of them.")
        labels = landmarks = None
        doubts: list[str] = []
        if self.labels is not None:
            one, other = (
                part if isinstance(part, Volume) else read_labels(part)
                for part in self.labels
            )
            for part, image in ((one, fixed), (other, moving)):
                if part.ndim != image.ndim:
                    raise GeometryError(
                        f"{part.path or 'the label map'} has {part.ndim} axes, its "
                        f"image {image.ndim}."
                    )
                doubts += check_companion(part, image, "label map")
            if not len(_common(one, other)):
                raise DataError(
                    f"{one.path or 'the fixed labels'} and "
                    f"{other.path or 'the moving labels'} have no label in common, so "
                    "they cannot guide; use the same number for the same structure."
                )
            labels = one, other
        if self.landmarks is not None:
            landmarks = _landmarks(self.landmarks, fixed, moving)
        return ReadGuide(labels, landmarks, tuple(doubts))


@dataclass(frozen=True, eq=False)
class ReadGuide:
    """A guide that was read.

    Attributes:
        labels: Of the fixed and the moving image.
        landmarks: Of the fixed and the moving image, `(n, 3)`, mm.
        doubts: Warnings, sentences.
    """

    labels: tuple[Volume, Volume] | None
    landmarks: tuple[np.ndarray, np.ndarray] | None
    doubts: tuple[str, ...]

    def on_grid(
        self,
        grid: Grid,
        place: Callable[[Volume], Volume],
        place_points: Callable[[np.ndarray], np.ndarray],
    ) -> Guidance:
        """As the optimisation needs it.

        Args:
            grid: Of the comparison.
            place: Moves a label map of the moving image to where that is seen.
            place_points: The same for points of the moving image.
        """
        labels = landmarks = None
        if self.labels is not None:
            values = _common(*self.labels)
            fixed, moving = (
                _shares(_indices(volume, grid, values), len(values))
                for volume in (self.labels[0], place(self.labels[1]))
            )
            labels = fixed, moving
        if self.landmarks is not None:
            fixed, moving = self.landmarks[0], place_points(self.landmarks[1])
            length = np.maximum(np.asarray(grid.shape) - 1, 1)
            one, other = (
                jnp.asarray(grid.to_voxels(points) / length, jnp.float32)
                for points in (fixed, moving)
            )
            landmarks = one, other
        return Guidance(labels, landmarks)


def _common(one: Volume, other: Volume) -> np.ndarray:
    """Labels above the background that both maps have."""
    found = np.intersect1d(one.array, other.array)
    return found[found > 0]


def _indices(volume: Volume, grid: Grid, values: np.ndarray) -> Int[Array, "1 *space"]:
    """Places of the labels among the values, from 1; 0 for any other."""
    array = resample(volume, grid, order=0)
    place = np.minimum(np.searchsorted(values, array), len(values) - 1)
    return jnp.asarray(np.where(values[place] == array, place + 1, 0))[None]


@partial(jax.jit, static_argnames="count")
def _shares(indices: Int[Array, "1 *space"], count: int) -> Float[Array, "1 *half k"]:
    """Share of each structure at half of the resolution, one after the other."""
    half = half_shape(indices.shape[1:])

    def share(number: Array) -> Array:
        return downsample((indices == number).astype(jnp.float32)[..., None], half)

    shares = jax.lax.map(share, jnp.arange(1, count + 1, dtype=indices.dtype))
    return jnp.moveaxis(shares[..., 0], 0, -1)


def _landmarks(
    given: tuple[Landmarks, Landmarks], fixed: Volume, moving: Volume
) -> tuple[np.ndarray, np.ndarray]:
    """Both lists in mm, checked."""
    lists = []
    for part, image, kind in zip(
        given, (fixed, moving), ("fixed", "moving"), strict=True
    ):
        name = f"the {kind} landmarks"
        if isinstance(part, Path | str):
            name, part = str(part), read_points(part, drawn_on=image.grid).positions
        points = np.asarray(part, np.float64)
        if points.ndim != 2 or points.shape[1] not in (image.ndim, 3):
            raise DataError(
                f"{name}: must be a list of points with 3 coordinates each, got the "
                f"shape {points.shape}."
            )
        if not len(points) or not np.isfinite(points).all():
            raise DataError(f"{name}: must be finite numbers of one point at least.")
        points = np.pad(points, ((0, 0), (0, 3 - points.shape[1])))
        outside = ~is_inside(image.grid.to_voxels(points), image.shape)
        if outside.any():
            number = int(np.argmax(outside))
            where = ", ".join(f"{x:.4g}" for x in points[number])
            raise GeometryError(
                f"{name}: {outside.sum()} of {len(points)} lie outside of "
                f"{image.path or f'the {kind} image'}, the first is number "
                f"{number + 1} at ({where}) mm, RAS; give the points of this image, "
                "and in RAS (an LPS point has the other sign of x and y)."
            )
        lists.append(points)
    if len(lists[0]) != len(lists[1]):
        raise DataError(
            f"{len(lists[0])} fixed and {len(lists[1])} moving landmarks; give the "
            "same places of both images in the same order."
        )
    return lists[0], lists[1]
