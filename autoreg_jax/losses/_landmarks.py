"""Distance of corresponding landmarks after registration."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from autoreg_jax.ops import sample_linear

# Added to the squared distance, voxels²: the root has a gradient where it is zero.
_SMALLEST = 1e-6


def landmark_loss(
    fixed_points: Float[Array, "b k d"],
    moving_points: Float[Array, "b k d"],
    displacement: Float[Array, "b *space d"],
) -> Float[Array, ""]:
    """Mean distance of φ(p) = p + u(p) from the moving landmark q that belongs to p.

    Args:
        fixed_points: p, in voxels of the fixed image.
        moving_points: q, in voxels of the moving image.
        displacement: u at full resolution, in voxels.

    Returns:
        √(‖p + u(p) − q‖² + 1e-6), the mean over landmarks and batch, in voxels.

    Examples:
        >>> point = jnp.array([[[1.0, 1.0]]])
        >>> landmark_loss(point, point + 3.0, jnp.full((1, 4, 4, 2), 3.0)).round(3)
        Array(0.001, dtype=float32)
    """
    moved = fixed_points + sample_linear(displacement, fixed_points, boundary="edge")
    squares = jnp.sum((moved - moving_points) ** 2, axis=-1)
    return jnp.mean(jnp.sqrt(squares + _SMALLEST))
