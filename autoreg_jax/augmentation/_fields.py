"""Smooth random fields, and the uneven brightness that they give."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

# Half waves of a bias field along each axis, the constant included.
_BIAS_MODES = 4


def smooth_field(
    key: Key[Array, ""],
    shape: tuple[int, ...],
    num_modes: int,
    *,
    is_zero_outside: bool = False,
) -> Float[Array, "*space"]:
    """Sum of waves with independent normal amplitudes, of mean 0 and variance 1.

    Args:
        key: Of the amplitudes.
        shape: Number of voxels of each axis.
        num_modes: Waves along each axis: cosines of 0 to `num_modes` - 1 half periods.
        is_zero_outside: Sines of 1 to `num_modes` half periods instead, which vanish
            half a voxel outside of the grid.

    Returns:
        The field; its variance is 1 on average over the voxels.
    """
    field = jax.random.normal(key, (num_modes,) * len(shape), jnp.float32)
    for size in shape:
        place = (jnp.arange(size, dtype=field.dtype) + 0.5) / size
        count = jnp.arange(num_modes, dtype=field.dtype)
        count = count + (1 if is_zero_outside else 0)
        angles = jnp.pi * count[:, None] * place[None]
        waves = jnp.sin(angles) if is_zero_outside else jnp.cos(angles)
        mean_square = jnp.where(count == 0, 1.0, 0.5)[:, None]
        waves = waves / jnp.sqrt(num_modes * mean_square)
        field = jnp.tensordot(field, waves, axes=(0, 0))
    return field


def bias_multiplied(
    key: Key[Array, ""], image: Float[Array, "*space 1"], strength: float
) -> Float[Array, "*space 1"]:
    """The image times exp(strength · f) with a smooth random f, as in a scanner.

    It is divided by its maximum where that is above 1.

    Args:
        key: Of the field.
        image: In [0, 1].
        strength: Standard deviation of the logarithm of the factor.

    Returns:
        An image in [0, 1].
    """
    field = smooth_field(key, image.shape[:-1], _BIAS_MODES).astype(image.dtype)
    bright = image * jnp.exp(strength * field[..., None])
    return bright / jnp.maximum(1, jnp.max(bright))
