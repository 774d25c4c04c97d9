"""Distances in millimetres of mapped points from where they belong."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from autoreg_jax.ops import sample_linear
from autoreg_jax.spatial import compose


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


def target_registration_error(
    displacement: Float[Array, "b *space d"],
    fixed_points: Float[Array, "b k d"],
    moving_points: Float[Array, "b k d"],
    spacing: Sequence[float] | Float[Array, " d"],
) -> Float[Array, "b k"]:
    """Distance of x + u(x) from the corresponding landmark, for each landmark x.

    Landmarks of the fixed image are carried into the moving one, where the
    displacement points; u is interpolated linearly and repeats its edge outside.

    Args:
        displacement: u in voxels.
        fixed_points: Landmarks of the fixed image, voxels.
        moving_points: The same landmarks in the moving image, voxels.
        spacing: Size of a voxel along each axis, mm.

    Returns:
        Distances in mm; take their mean for the usual TRE.
    """
    vectors = sample_linear(displacement, fixed_points, boundary="edge")
    scale = jnp.asarray(spacing, displacement.dtype).reshape(1, 1, -1)
    return jnp.linalg.norm((fixed_points + vectors - moving_points) * scale, axis=-1)
