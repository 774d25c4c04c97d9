"""Structures and landmarks of both images, which guide a registration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from autoreg_jax.data import Image, read_labels
from autoreg_jax.errors import ConfigError, DataError, GeometryError
from autoreg_jax.geometry import Grid, Volume, resample
from autoreg_jax.inference._comparable import check_companion
from autoreg_jax.inference._landmarks import Landmarks, read_landmarks
from autoreg_jax.inference.optimisation import Guidance
from autoreg_jax.spatial import downsample, half_shape


@dataclass(frozen=True, eq=False)
class Guide:
    """What a registration should bring together, beside the intensities.

    Attributes:
        labels: Label maps of the fixed and of the moving image, or their files, each on
            any grid in the world of its image. Structures that both have guide.
        landmarks: The same places in the fixed and in the moving image in the same
            order, mm, RAS+, `(n, 3)` each, or files, see `transforms.read_points`.
    """

    labels: tuple[Image, Image] | None = None
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
            one, other = map(read_labels, self.labels)
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
            landmarks = read_landmarks(self.landmarks, fixed, moving)
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


def make_guide(
    kinds: Sequence[str],
    fixed_labels: Volume | None,
    moving_labels: Volume | None,
    landmarks: tuple[np.ndarray, np.ndarray] | None,
) -> Guide | None:
    """A guide of those parts of a pair that are asked for.

    Args:
        kinds: "labels", "landmarks" or both; nothing for no guide.
        fixed_labels: Label map of the fixed image, if there is one.
        moving_labels: Label map of the moving image, if there is one.
        landmarks: Of both images, if there are any.

    Raises:
        ConfigError: If one is unknown, or the pair has no such part.
    """
    parts: dict[str, Any] = {"labels": None, "landmarks": landmarks}
    if fixed_labels is not None and moving_labels is not None:
        parts["labels"] = fixed_labels, moving_labels
    for kind in kinds:
        if kind not in parts:
            raise ConfigError(f"guide: must be of {', '.join(parts)}, got {kind!r}.")
        if parts[kind] is None:
            raise ConfigError(
                f"guide: the pair has no {kind} of both images; give them, or leave "
                f"{kind} out of the guide."
            )
    return Guide(**{kind: parts[kind] for kind in kinds}) if kinds else None


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
