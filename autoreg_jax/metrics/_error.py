"""Distance to a true deformation, where one is known."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def displacement_error(
    displacement: Float[Array, "b *space d"],
    truth: Float[Array, "b *space d"],
    spacing: Sequence[float] | Float[Array, " d"],
    mask: Bool[Array, "b *space"] | None = None,
) -> Float[Array, ""]:
    """Mean Euclidean distance between two displacements, in millimetres.

    Args:
        displacement: u in voxels.
        truth: The true displacement in voxels.
        spacing: Size of a voxel along each axis, mm.
        mask: Voxels that count; all of them by default.

    Returns:
        A scalar in mm; NaN where the mask is empty.
    """
    scale = jnp.asarray(spacing, displacement.dtype)
    scale = scale.reshape((1,) * (displacement.ndim - 1) + (-1,))
    distance = jnp.linalg.norm((displacement - truth) * scale, axis=-1)
    return jnp.mean(distance, where=mask)
