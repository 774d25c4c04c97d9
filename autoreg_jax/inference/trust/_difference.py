"""How far apart several registrations of one pair are."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from autoreg_jax.geometry import sample_edge
from autoreg_jax.inference._quality import lengths

__all__ = ["Difference", "apart", "spread", "there_and_back"]


@dataclass(frozen=True)
class Difference:
    """Distance between the places to which several registrations bring a voxel.

    It is taken over the voxels where the fixed image shows something.

    Attributes:
        mean_mm: Mean, mm.
        p95_mm: 95th percentile, mm.

    Examples:
        >>> Difference.of(np.array([0.0, 2.0, 9.0]), np.array([True, True, False]))
        Difference(mean_mm=1.0, p95_mm=1.9)
    """

    mean_mm: float
    p95_mm: float

    @classmethod
    def of(
        cls,
        distances: Float[np.ndarray, "*space"],
        counts: Bool[np.ndarray, "*space"],
    ) -> "Difference":
        """Mean and percentile where `counts`; of all voxels if that is nowhere."""
        found = distances[counts] if counts.any() else distances
        return cls(float(found.mean()), float(np.quantile(found, 0.95)))


def there_and_back(
    forward: Float[np.ndarray, "*space d"],
    backward: Float[np.ndarray, "*space d"],
    spacing: tuple[float, ...],
) -> Float[np.ndarray, "*space"]:
    """Length of u(x) + v(x + u(x)), by which a voxel misses where it came from, mm.

    Args:
        forward: u of the registration, voxels.
        backward: v of the one with the images swapped, on the same grid; beyond it
            its edge is repeated.
        spacing: Voxel size, mm.
    """
    parts, size = np.moveaxis(backward, -1, 0), np.asarray(spacing, np.float32)
    places = np.moveaxis(np.indices((1, *forward.shape[1:-1])), 0, -1)[0]
    found = np.empty(forward.shape[:-1], np.float32)
    for plane, vectors in enumerate(forward):
        index = places + vectors
        index[..., 0] += plane
        back = np.stack([sample_edge(part, index) for part in parts], -1)
        found[plane] = lengths((vectors + back) * size)
    return found


def apart(
    one: Float[np.ndarray, "*space d"],
    other: Float[np.ndarray, "*space d"],
    spacing: tuple[float, ...],
) -> Float[np.ndarray, "*space"]:
    """Length of the difference of two displacements in voxels, mm."""
    return lengths((one - other) * np.asarray(spacing, np.float32))


def spread(
    fields: Sequence[Float[np.ndarray, "*space d"]],
) -> Float[np.ndarray, "*space"]:
    """Mean distance of two of several displacements in mm at each voxel, mm."""
    pairs = itertools.combinations(fields, 2)
    return np.mean([lengths(one - other) for one, other in pairs], 0)
