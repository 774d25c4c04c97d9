"""Brings intensities of any scanner to the interval from 0 to 1."""

import numpy as np
from jaxtyping import Float, Num

__all__ = ["normalize_intensity"]

# 0.5 % at the dark end, and 0.5 % of what is brighter than that at the other, so that a
# large empty background does not decide where white is.
LOW, HIGH = 0.5, 99.5


def normalize_intensity(
    array: Num[np.ndarray, "*space"],
) -> Float[np.ndarray, "*space"]:
    """Scale by robust percentiles and clip.

    Args:
        array: Intensities in any unit. Voxels that are not finite count as the darkest.

    Returns:
        float32 in [0, 1], always finite; a constant image gives zeros.

    Examples:
        >>> normalize_intensity(np.array([[-5.0, 0.0], [2.5, 5.0]])).tolist()
        [[0.0, 0.5], [0.75, 1.0]]
        >>> normalize_intensity(np.full((2, 2), 7.0)).tolist()
        [[0.0, 0.0], [0.0, 0.0]]
    """
    values = array.astype(np.float64)
    finite = values[np.isfinite(values)]
    if finite.size == 0 or finite.min() == finite.max():
        return np.zeros(array.shape, np.float32)
    low = np.percentile(finite, LOW, method="lower")
    high = np.percentile(finite[finite > low], HIGH, method="higher")
    values = np.where(np.isfinite(values), values, low)
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
