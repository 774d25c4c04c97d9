"""Divides the brain into a dozen structures by tissue and position.

The borders are planes and ellipsoids that follow the large fissures of the template.
They serve to score a registration and are not an anatomical atlas.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from autoreg_jax.data.simulation._template import Tissues

__all__ = ["STRUCTURES", "parcels"]

STRUCTURES = (
    "ventricles",
    "left deep grey matter",
    "right deep grey matter",
    "left frontal cortex",
    "right frontal cortex",
    "left posterior cortex",
    "right posterior cortex",
    "left temporal cortex",
    "right temporal cortex",
    "left white matter",
    "right white matter",
    "cerebellum",
    "brainstem",
)


def parcels(
    tissues: Tissues, points_mm: Float[np.ndarray, "3 *space"]
) -> Int[np.ndarray, "*space"]:
    """Structure at points of the template, MNI millimetres, RAS+.

    0 is the background and the fluid around the brain, 1.. are `STRUCTURES`.
    """
    x, y, z = points_mm
    aside = np.abs(x)
    outside = 1 - tissues.grey - tissues.white - tissues.fluid
    fluid = tissues.fluid > np.maximum(tissues.grey + tissues.white, outside)
    solid = tissues.grey + tissues.white > np.maximum(tissues.fluid, outside)
    # The pallidum and thalamus are mixed with fibres, hence less than one half.
    deep = _ellipsoid(points_mm, (15, -5, 5), (18, 28, 17)) & (tissues.grey > 0.3)
    # The tentorium rises to the midline and towards the front.
    behind = (y < -32) & (z < -8 - 0.4 * aside - 0.2 * np.maximum(0, -65 - y))
    stem = (aside < 18) & (y < -8) & (y > -45) & (z < -12 + 0.6 * np.minimum(0, y + 30))
    # Along the lateral fissure from the temporal pole to behind the ear.
    temporal = (z < np.minimum(-5 - 0.55 * y, 12)) & (y > -60) & (aside > 18)
    uncus = (z < -10) & (y < 5) & (aside > 8)
    # The central sulcus runs back as it rises.
    frontal = y > -12 - 0.3 * z

    left_of_pair = np.select(
        [
            deep,
            behind,
            stem,
            tissues.white > tissues.grey,
            temporal | uncus,
            frontal,
        ],
        [2, 12, 13, 10, 8, 4],
        default=6,
    )
    is_pair = left_of_pair < 12
    labels = np.where(solid, left_of_pair + (is_pair & (x > 0)), 0)
    inner = _ellipsoid(points_mm, (0, -12, 10), (36, 54, 24))
    return np.where(fluid & inner, 1, labels).astype(np.int32)


def _ellipsoid(
    points_mm: Float[np.ndarray, "3 *space"],
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
) -> Bool[np.ndarray, "*space"]:
    """Points within an ellipsoid and its mirror image on the other side."""
    points = (np.abs(points_mm[0]), points_mm[1], points_mm[2])
    terms = [((p - c) / r) ** 2 for p, c, r in zip(points, centre, radii, strict=True)]
    return np.sum(terms, axis=0) < 1
