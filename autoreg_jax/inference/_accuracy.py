"""How well a registration did, where structures or the true displacement are known."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from autoreg_jax.config import Intensity
from autoreg_jax.data import normalize_intensity
from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry import Volume
from autoreg_jax.inference._registered import Registered
from autoreg_jax.inference.trust import Difference, shown, spread
from autoreg_jax.metrics import dice
from autoreg_jax.transforms import Transform


class Overlap(NamedTuple):
    """Dice coefficients of a pair, structure by structure.

    Attributes:
        labels: Foreground labels of the fixed or moving map, `(k,)`.
        before: Dice of each where the headers put the moving map, `(k,)`.
        after: Dice of each after registration.
    """

    labels: tuple[int, ...]
    before: Float[np.ndarray, " k"]
    after: Float[np.ndarray, " k"]

    def means(self) -> tuple[float, float]:
        """Mean over the structures before and after; NaN without any."""
        if not self.labels:
            return float("nan"), float("nan")
        return float(np.nanmean(self.before)), float(np.nanmean(self.after))


class KnownError(NamedTuple):
    """Mean Euclidean distance to the true displacement, or of landmarks, mm.

    Attributes:
        before: Distance of no displacement.
        after: Distance of the displacement that was found.
    """

    before: float
    after: float


def difference(*results: Registered) -> Difference:
    """How far several registrations of one pair are apart, such as those of two models.

    Args:
        results: Two or more, with the same fixed and moving image.

    Returns:
        At each voxel the mean distance of two of them, over the voxels where the fixed
        image shows something.

    Raises:
        GeometryError: If the fixed images have other grids.
        ValueError: If there are fewer than two.
    """
    if len(results) < 2:
        raise ValueError(f"a difference needs two results, got {len(results)}.")
    fixed = results[0].fixed
    if not all(fixed.grid.matches(one.fixed.grid) for one in results[1:]):
        raise GeometryError(
            "the fixed images of the results have other grids; register one pair."
        )
    apart = spread([one.displacement_mm for one in results])
    shows = shown(normalize_intensity(fixed.array, Intensity()), None)
    return Difference.of(apart, shows)


def label_overlap(result: Registered, fixed: Volume, moving: Volume) -> Overlap:
    """Evaluate a registration by two label maps.

    Args:
        result: The registration.
        fixed: Label map on the grid of the fixed image.
        moving: Label map in the world of the moving image.

    Returns:
        Dice of each label; the moving map is resampled to the fixed grid by largest
        share.

    Raises:
        GeometryError: If the fixed labels are on another grid than the fixed image, or
            the moving labels of another dimension.
    """
    image = result.fixed
    if not fixed.grid.matches(image.grid):
        raise GeometryError(
            f"{fixed.path or 'the fixed labels'} ({_text(fixed)}) are not on the grid "
            f"of {image.path or 'the fixed image'} ({_text(image)}); resample the "
            "labels with nearest-neighbour interpolation, or repair their header."
        )
    moved = result.apply(moving, "label").array
    unmoved = Transform().apply(moving.array, moving.grid, image.grid, "label")
    values = np.unique(np.concatenate([fixed.array.ravel(), moving.array.ravel(), [0]]))
    indices = [
        jnp.asarray(np.searchsorted(values, array).astype(np.int32))
        for array in (fixed.array, unmoved, moved)
    ]
    before, after = (
        np.asarray(dice(indices[0], index, len(values))) for index in indices[1:]
    )
    return Overlap(tuple(int(value) for value in values[1:]), before, after)


def known_error(
    result: Registered, truth: Transform, mask: Volume | None = None
) -> KnownError:
    """Evaluate a registration by the deformation that it should have found.

    Args:
        result: The registration.
        truth: The map from the fixed image to the moving one, in the world.
        mask: Voxels of the fixed image to evaluate, not 0; default: all.

    Returns:
        The distances; NaN where the mask is empty.

    Raises:
        GeometryError: If the mask is on another grid than the fixed image.
        TransformError: If an inverse displacement cannot be solved for.
    """
    fixed = result.fixed
    if mask is not None and not mask.grid.matches(fixed.grid):
        raise GeometryError(
            f"{mask.path or 'the mask'} ({_text(mask)}) is not on the grid of "
            f"{fixed.path or 'the fixed image'} ({_text(fixed)}); resample the mask."
        )
    counts = np.ones(fixed.shape, bool) if mask is None else mask.array > 0
    true = truth.displacement_on(fixed.grid)[counts]
    if not len(true):
        return KnownError(float("nan"), float("nan"))
    found = result.displacement_mm[counts]
    before, after = (np.linalg.norm(u - true, axis=-1).mean() for u in (0, found))
    return KnownError(float(before), float(after))


def landmark_error(
    result: Registered,
    fixed: Float[np.ndarray, "n 3"],
    moving: Float[np.ndarray, "n 3"],
) -> KnownError:
    """Evaluate a registration by places that are known in both images.

    Args:
        result: The registration.
        fixed: Points of the fixed image, mm, RAS+.
        moving: The same places in the moving image.

    Returns:
        The mean distance between where a fixed point goes and its counterpart.
    """
    found = result.points_to_moving(fixed)
    before, after = (
        np.linalg.norm(points - moving, axis=-1).mean() for points in (fixed, found)
    )
    return KnownError(float(before), float(after))


def _text(volume: Volume) -> str:
    spacing = " × ".join(f"{size:g}" for size in volume.spacing)
    return f"shape {volume.shape}, spacing {spacing} mm"
