"""How well two deformations undo one another."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from autoreg_jax.spatial import compose


def inverse_consistency_error(
    forward: Float[Array, "b *space d"],
    backward: Float[Array, "b *space d"],
    spacing: Sequence[float] | Float[Array, " d"],
    mask: Bool[Array, "b *space"] | None = None,
) -> Float[Array, ""]:
    """Mean distance of φ_backward(φ_forward(x)) from x, in millimetres.

    Args:
        forward: u of the moving onto the fixed image, in voxels.
        backward: u of the fixed onto the moving image, on the same grid.
        spacing: Size of a voxel along each axis, mm.
        mask: Voxels x that count; all of them by default.

    Returns:
        A scalar in mm, 0 for exact inverses; NaN where the mask is empty.

    References:
        Christensen and Johnson, IEEE Transactions on Medical Imaging 2001.
    """
    scale = jnp.asarray(spacing, forward.dtype)
    scale = scale.reshape((1,) * (forward.ndim - 1) + (-1,))
    distance = jnp.linalg.norm(compose(backward, forward) * scale, axis=-1)
    return jnp.mean(distance, where=mask)
