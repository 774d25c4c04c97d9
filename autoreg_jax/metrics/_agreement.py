"""Agreement of label maps and of images after registration."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


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


def correlation(
    fixed: Float[Array, "*any"],
    moved: Float[Array, "*any"],
    mask: Bool[Array, "*any"] | None = None,
) -> Float[Array, ""]:
    """Normalised cross-correlation over the whole image: Pearson's coefficient.

    Unlike `losses.local_ncc` it is signed and has no window.

    Args:
        fixed: Intensities of any scale.
        moved: The same shape.
        mask: Voxels that count, same shape; all of them by default.

    Returns:
        Between -1 and 1; NaN where one of the two is constant or the mask is empty.

    Examples:
        >>> ramp = jnp.arange(4.0)
        >>> float(correlation(ramp, 5 - 2 * ramp))
        -1.0
    """
    first, second = (x - jnp.mean(x, where=mask) for x in (fixed, moved))
    spread = jnp.mean(first**2, where=mask) * jnp.mean(second**2, where=mask)
    return jnp.mean(first * second, where=mask) / jnp.sqrt(spread)
