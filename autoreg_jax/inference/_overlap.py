"""Overlap of the structures of a pair before and after its registration."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry import Volume
from autoreg_jax.inference._registered import Registered
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


def label_overlap(result: Registered, fixed: Volume, moving: Volume) -> Overlap:
    """Measure a registration by two label maps.

    Args:
        result: The registration.
        fixed: Label map on the grid of the fixed image.
        moving: Label map in the world of the moving image.

    Returns:
        Dice of each label, brought to the fixed grid by largest share.

    Raises:
        GeometryError: If the fixed labels are on another grid than the fixed image, or
            the moving labels of another dimension.
    """
    image = result.fixed
    if not fixed.grid.matches(image.grid):
        raise GeometryError(
            f"{fixed.path or 'the fixed labels'} (shape {fixed.shape}, spacing "
            f"{_text(fixed)} mm) are not on the grid of "
            f"{image.path or 'the fixed image'} (shape {image.shape}, spacing "
            f"{_text(image)} mm); resample the labels with nearest-neighbour "
            "interpolation, or repair their header."
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


def _text(volume: Volume) -> str:
    return " × ".join(f"{size:g}" for size in volume.spacing)
