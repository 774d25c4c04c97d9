"""Whether the moving image would fit better as its mirror image."""

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from autoreg_jax.inference.trust._agreement import SHOWN, agreement, coarse, steps_for

__all__ = ["directions", "mirror_gain"]

_NAMES = ("left-right", "front-back", "up-down")
# Voxels along the longest axis of the grid, at most: half of what is seen otherwise.
_LONGEST = 32


def mirror_gain(
    fixed: Float[np.ndarray, "*space"], placed: Float[np.ndarray, "*space"]
) -> tuple[float, int]:
    """How much more the images agree if the moving one is mirrored.

    It is mirrored about the middle of what it shows, along the axis that is best.

    Args:
        fixed: Grey values from 0 to 1.
        placed: The moving image before the displacement, on the same grid.

    Returns:
        What the mean local agreement gains, ≥ 0, and the axis.
    """
    steps = steps_for(fixed.shape, _LONGEST)
    fixed, placed = coarse(fixed, steps), coarse(placed, steps)
    shows = placed > SHOWN
    if not shows.any():
        return 0.0, 0
    middle = np.asarray(ndimage.center_of_mass(shows))

    def agree(image: np.ndarray) -> float:
        either = (fixed > SHOWN) | (image > SHOWN)
        return float(agreement(fixed, image)[either].mean())

    gains = []
    for axis, length in enumerate(fixed.shape):
        away = 2 * middle[axis] - (length - 1)
        whole = int(np.floor(away))
        flipped = np.flip(placed, axis)
        one, other = (np.roll(flipped, whole + more, axis) for more in (0, 1))
        gains.append(agree(one + (away - whole) * (other - one)))
    best = int(np.argmax(gains))
    return max(0.0, gains[best] - agree(placed)), best


def directions(affine: Float[np.ndarray, "4 4"], ndim: int) -> tuple[str, ...]:
    """Where the axes of an array point in the patient, in words."""
    return tuple(_NAMES[int(np.abs(affine[:3, axis]).argmax())] for axis in range(ndim))
