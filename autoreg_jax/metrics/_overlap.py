"""Overlap of two label maps, structure by structure."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def dice(
    fixed_labels: Int[Array, "*space"],
    moved_labels: Int[Array, "*space"],
    num_classes: int,
) -> Float[Array, " structure"]:
    """Dice coefficient 2 |A ∩ B| / (|A| + |B|) of every foreground class.

    Args:
        fixed_labels: Class index of every voxel, 0 is background.
        moved_labels: The same for the moved labels, same shape.
        num_classes: Number of classes, background included.

    Returns:
        Between 0 and 1, entry i for class i + 1; NaN where the structure is absent
        from both maps, so that means must be taken with `nanmean`.

    Examples:
        >>> dice(jnp.array([0, 1, 1, 2]), jnp.array([0, 1, 2, 2]), 4)
        Array([0.6666667, 0.6666667,       nan], dtype=float32)
    """
    classes = jnp.arange(1, num_classes, dtype=fixed_labels.dtype).reshape(-1, 1)
    fixed = fixed_labels.reshape(1, -1) == classes
    moved = moved_labels.reshape(1, -1) == classes
    overlap = jnp.sum(fixed & moved, axis=1)
    volume = jnp.sum(fixed, axis=1) + jnp.sum(moved, axis=1)
    return jnp.where(volume > 0, 2 * overlap / jnp.maximum(volume, 1), jnp.nan)
