"""Correlation of two images."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


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
