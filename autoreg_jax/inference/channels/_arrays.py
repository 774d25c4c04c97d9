"""The channels of a pair as arrays on the grid where they are compared."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, repeat

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from autoreg_jax.config import Intensity
from autoreg_jax.data import normalize_intensity
from autoreg_jax.geometry import Grid, Volume, resample
from autoreg_jax.inference._comparable import check_compared

__all__ = ["bare", "check_channels", "on_grid", "scaled"]


def scaled(images: Iterable[Volume], intensity: Intensity) -> list[Volume]:
    """Images with grey values from 0 to 1, each by itself.

    Args:
        images: Of one subject.
        intensity: The rule of the first one; the others are scaled by percentiles.
    """
    rules = chain([intensity], repeat(Intensity()))
    return [
        replace(image, array=normalize_intensity(image.array, rule))
        for image, rule in zip(images, rules, strict=False)
    ]


def on_grid(volumes: Sequence[Volume], grid: Grid) -> Array:
    """Volumes as the channels of one array, `(1, *space, c)`."""
    arrays = [jnp.asarray(resample(one, grid))[None, ..., None] for one in volumes]
    return jnp.concatenate(arrays, -1) if len(arrays) > 1 else arrays[0]


def bare(array: Array, channel: int = 0) -> Float[np.ndarray, "*space"]:
    """A channel of `(1, *space, c)`."""
    return np.asarray(array)[0, ..., channel]


def check_channels(
    fixed: Sequence[Volume],
    moving: Sequence[Volume],
    arrays: tuple[Array, Array],
    masks: tuple[Volume | None, Volume | None],
    weights: Sequence[Array | None],
    grid: Grid,
) -> tuple[str, ...]:
    """Make sure that every channel shows something where it is compared.

    Args:
        fixed: The fixed images.
        moving: The moving ones where they are placed.
        arrays: All of them on the grid, fixed and moving.
        masks: As for `check_compared`.
        weights: The masks on the grid, `(1, *space, 1)`.
        grid: The working grid.

    Returns:
        The sentences of `check_compared` about the first channel: they are about masks
        and fields of view.

    Raises:
        DataError: As `check_compared`.
        GeometryError: As `check_compared`.
    """
    inside = [None if weight is None else bare(weight) for weight in weights]
    found = [
        check_compared(
            pair, [bare(array, number) for array in arrays], masks, inside, grid
        )
        for number, pair in enumerate(zip(fixed, moving, strict=True))
    ]
    return found[0]
