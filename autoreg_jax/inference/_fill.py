"""Grey values where a moving image has no voxels."""

import math
import warnings
from typing import Literal

import numpy as np
from jaxtyping import Float

from autoreg_jax.errors import ConfigError, ImageWarning
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.transforms import Transform

__all__ = ["Fill", "check_fill", "moved_image"]

# A number; "auto", the smallest value of the image if that is below 0, as in CT, and
# otherwise 0; None is 0, with a warning where "auto" would be another value.
Fill = float | Literal["auto"] | None


def check_fill(fill: Fill) -> None:
    """Refuse what is neither a finite number nor "auto".

    Raises:
        ConfigError: If it is something else.
    """
    is_number = isinstance(fill, float | int) and math.isfinite(fill)
    if fill is not None and fill != "auto" and not is_number:
        raise ConfigError(f'fill: must be a finite number or "auto", got {fill!r}.')


def moved_image(
    transform: Transform, image: Volume, grid: Grid, fill: Fill
) -> Float[np.ndarray, "*space"]:
    """An image on a grid, by linear interpolation, see `Transform.apply`.

    Args:
        transform: The map from the grid to the image.
        image: The image, without NaN.
        grid: The grid.
        fill: Value outside of the image.

    Returns:
        Grey values in the type of the image.

    Warns:
        ImageWarning: If no value was given, 0 was taken and the image has values below.
    """
    array = image.array
    low = float(array.min())
    value = min(low, 0.0) if fill == "auto" else fill or 0.0
    if array.dtype.kind != "f":
        return transform.apply(array, image.grid, grid, fill=value)
    found = transform.apply(array, image.grid, grid, fill=np.nan)
    outside = np.isnan(found)
    if fill is None and low < 0 and outside.any():
        warnings.warn(
            f"{100 * outside.mean():.2g} % of the voxels lie outside of "
            f"{image.path or 'the moving image'} and became 0, but its values begin at "
            f"{low:g}; give a value, or auto for {low:g} (--fill).",
            ImageWarning,
            stacklevel=2,
        )
    found[outside] = value
    return found
