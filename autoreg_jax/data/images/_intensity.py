"""Scales grey values to the interval from 0 to 1."""

import math

import numpy as np
from jaxtyping import Float, Num

from autoreg_jax.config import Intensity
from autoreg_jax.errors import DataError
from autoreg_jax.geometry import Volume

__all__ = ["check_contrast", "masked", "normalize_intensity"]

_PERCENTILES = Intensity()


def normalize_intensity(
    array: Num[np.ndarray, "*space"], intensity: Intensity = _PERCENTILES
) -> Float[np.ndarray, "*space"]:
    """Scale grey values and clip them, by default to robust percentiles.

    Args:
        array: Grey values in any unit; NaN and infinite ones become 0.
        intensity: The rule.

    Returns:
        float32 in [0, 1], always finite; a constant image gives zeros.

    Examples:
        >>> normalize_intensity(np.array([[-5.0, 0.0], [2.5, 5.0]])).tolist()
        [[0.0, 0.5], [0.75, 1.0]]
        >>> normalize_intensity(np.full((2, 2), 7.0)).tolist()
        [[0.0, 0.0], [0.0, 0.0]]
        >>> hounsfield = Intensity("window", -1000, 1000)
        >>> normalize_intensity(np.array([-2000.0, 0, 500]), hounsfield).tolist()
        [0.0, 0.5, 0.75]
    """
    is_finite = np.isfinite(array)
    finite = array.ravel() if is_finite.all() else array[is_finite]
    if finite.size == 0 or finite.min() == finite.max():
        return np.zeros(array.shape, np.float32)
    low, high = intensity.low, intensity.high
    if intensity.rule == "percentile":
        low = _in_order(finite, math.floor((finite.size - 1) * (low / 100)))
        brighter = finite[finite > low]
        if brighter.size == 0:  # all but a few voxels are as bright as the brightest
            low, brighter = float(finite.min()), finite[finite > finite.min()]
        high = _in_order(brighter, math.ceil((brighter.size - 1) * (high / 100)))
    values = array.astype(np.float64)
    if finite.size < array.size:
        values[~is_finite] = low
    # In place: four arrays in double precision would take most of the time.
    values -= low
    values /= high - low
    return np.clip(values, 0, 1, out=values).astype(np.float32)


def _in_order(values: Num[np.ndarray, " n"], place: int) -> float:
    """The value that would stand at a place if all were sorted."""
    return float(np.partition(values, place)[place])


def masked(image: Volume, mask: Volume | None) -> Num[np.ndarray, "*space"]:
    """Voxels of an image; outside of its mask, if any, the darkest value inside."""
    if mask is None:
        return image.array
    inside = mask.array != 0
    return np.where(inside, image.array, image.array[inside].min())


def check_contrast(image: Volume) -> None:
    """Refuse a constant image.

    Raises:
        DataError: If all voxels have the same value.
    """
    if image.array.min() == image.array.max():
        raise DataError(
            f"{image.path}: all voxels are {image.array.flat[0]:g}, the image shows "
            "nothing; export it again, or leave it out."
        )
