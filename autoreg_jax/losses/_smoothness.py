"""The regulariser of the deformation."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def diffusion_loss(displacement: Float[Array, "b *space d"]) -> Float[Array, ""]:
    """Mean over the axes of the mean squared forward difference of u.

    Args:
        displacement: u in voxels.

    Returns:
        A scalar, 0 for a translation; an axis of one voxel counts as 0.

    Examples:
        >>> slope = 2 * jnp.arange(5.0).reshape(1, 5, 1)
        >>> float(diffusion_loss(slope))
        4.0
    """
    axes = range(1, displacement.ndim - 1)
    squares = [
        jnp.mean(jnp.diff(displacement, axis=axis) ** 2)
        for axis in axes
        if displacement.shape[axis] > 1
    ]
    return sum(squares, start=jnp.zeros((), displacement.dtype)) / len(axes)
