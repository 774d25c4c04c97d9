"""Target registration error: how far landmarks are from where they belong."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from autoreg_jax.ops import sample_linear


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
