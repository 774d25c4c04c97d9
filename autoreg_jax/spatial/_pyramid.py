"""The three scales of the registration: full, half and quarter resolution."""

from typing import NamedTuple

from jax import Array

from autoreg_jax.spatial._grid import half_shape
from autoreg_jax.spatial._resize import resize_image


class Pyramid(NamedTuple):
    """Arrays of one kind at the three scales, each on its own grid.

    Attributes:
        full: At full resolution, `(b, *space, c)`.
        half: On the grid `half_shape(space)`.
        quarter: On the grid `half_shape(half_shape(space))`.
    """

    full: Array
    half: Array
    quarter: Array


def image_pyramid(image: Array) -> Pyramid:
    """The image at full, half and quarter resolution, intensities unchanged.

    Args:
        image: `(b, *space, c)`.

    Returns:
        Each coarser image is resized from the full one, corners aligned.
    """
    half = half_shape(image.shape[1:-1])
    quarter = half_shape(half)
    return Pyramid(image, resize_image(image, half), resize_image(image, quarter))
