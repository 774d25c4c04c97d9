"""Distance to the true displacement of a pair, where that is known."""

from typing import NamedTuple

import numpy as np

from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry import Volume
from autoreg_jax.inference._registered import Registered
from autoreg_jax.transforms import Transform


class KnownError(NamedTuple):
    """Mean Euclidean distance to the true displacement, mm.

    Attributes:
        before: Of no displacement at all.
        after: Of what was found.
    """

    before: float
    after: float


def known_error(
    result: Registered, truth: Transform, mask: Volume | None = None
) -> KnownError:
    """Measure a registration by the deformation that it should have found.

    Args:
        result: The registration.
        truth: The map from the fixed image to the moving one, in the world.
        mask: Voxels of the fixed image that count, not 0; all of them by default.

    Returns:
        The distances; NaN where the mask is empty.

    Raises:
        GeometryError: If the mask is of another shape than the fixed image.
        TransformError: If an inverse displacement cannot be solved for.
    """
    fixed = result.fixed
    if mask is not None and mask.shape != fixed.shape:
        raise GeometryError(
            f"{mask.path or 'the mask'} has the shape {mask.shape}, "
            f"{fixed.path or 'the fixed image'} has {fixed.shape}; resample the mask."
        )
    counts = np.ones(fixed.shape, bool) if mask is None else mask.array > 0
    true = truth.displacement_on(fixed.grid)[counts]
    if not len(true):
        return KnownError(float("nan"), float("nan"))
    found = result.displacement_mm[counts]
    distances = (
        np.linalg.norm(u - true, axis=-1) for u in (np.zeros_like(true), found)
    )
    return KnownError(*(float(each.mean()) for each in distances))
