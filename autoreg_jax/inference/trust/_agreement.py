"""How much two images agree around each voxel, on a coarse grid."""

import numpy as np
from jaxtyping import Float
from scipy import ndimage

__all__ = ["SHOWN", "agreement", "coarse", "steps_for"]

# Grey value, from 0 to 1, above which an image shows something.
SHOWN = 0.1
# Window, and least contrast that counts, standard deviation of the grey values.
_WINDOW, _CONTRAST = 5, 0.01


def steps_for(shape: tuple[int, ...], longest: int) -> tuple[int, ...]:
    """Voxels of each axis that become one, so that no axis has more than `longest`."""
    step = max(1, -(-max(shape) // longest))
    return tuple(min(step, size) for size in shape)


def coarse(
    array: Float[np.ndarray, "*any"], steps: tuple[int, ...]
) -> Float[np.ndarray, "*any"]:
    """Means of blocks of so many voxels along each axis; what is left over is cut."""
    array = array.astype(np.float32, copy=False)
    for axis, step in enumerate(steps):
        if step > 1:
            count = array.shape[axis] // step
            array = np.take(array, np.arange(count * step), axis)
            shape = (*array.shape[:axis], count, step, *array.shape[axis + 1 :])
            array = array.reshape(shape).mean(axis + 1)
    return array


def agreement(
    one: Float[np.ndarray, "*space"], other: Float[np.ndarray, "*space"]
) -> Float[np.ndarray, "*space"]:
    """Squared correlation in the window around each voxel; 0 without contrast."""

    def mean(array: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(array, _WINDOW, mode="constant")

    first, second = mean(one), mean(other)
    spread = np.maximum(mean(one * one) - first**2, 0)
    spread *= np.maximum(mean(other * other) - second**2, 0)
    covariance = mean(one * other) - first * second
    return covariance**2 / (spread + _CONTRAST**4)
