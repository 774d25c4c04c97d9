"""The regularisers of the deformation."""

import itertools

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


def bending_loss(displacement: Float[Array, "b *space d"]) -> Float[Array, ""]:
    """Mean squared second difference of u, summed over all ordered pairs of axes.

    The bending energy of a thin plate (Rueckert 1999): unlike `diffusion_loss` it is
    zero for every affine displacement.

    Args:
        displacement: u in voxels.

    Returns:
        A scalar; an axis too short for a second difference counts as 0.

    Examples:
        >>> slope = 2 * jnp.arange(5.0).reshape(1, 5, 1)
        >>> float(bending_loss(slope)), float(bending_loss(slope**2))
        (0.0, 64.0)
    """
    axes = range(1, displacement.ndim - 1)
    total = jnp.zeros((), displacement.dtype)
    for pair in itertools.product(axes, repeat=2):
        second = displacement
        for axis in pair:
            second = jnp.diff(second, axis=axis)
        if second.size:
            total = total + jnp.mean(second**2)
    return total
