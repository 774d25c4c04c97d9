"""Global correlation of two images, the similarity of images of one contrast."""

import jax.numpy as jnp
from jaxtyping import Array, Float

# Mean square deviation below which an image counts as constant, intensities in [0, 1].
_SMALLEST_VARIANCE = 1e-8


def global_ncc(
    fixed: Float[Array, "b *space c"],
    moved: Float[Array, "b *space c"],
    weights: Float[Array, "b *space c"] | None = None,
) -> Float[Array, " b"]:
    """Pearson's correlation over all voxels of each pair.

    Args:
        fixed: Intensities in [0, 1].
        moved: Intensities in [0, 1], same shape.
        weights: Of the voxels, not negative, a mask for example; all 1 by default.

    Returns:
        Between -1 and 1; 0, with a finite gradient, where an image is constant or the
        weights are all zero.

    Examples:
        >>> ramp = jnp.arange(6.0).reshape(1, 6, 1) / 6
        >>> print(global_ncc(ramp, 1 - ramp).round(3))
        [-1.]
    """
    weights = jnp.ones_like(fixed) if weights is None else weights
    batch = fixed.shape[0]
    fixed, moved, weights = (x.reshape(batch, -1) for x in (fixed, moved, weights))
    total = jnp.sum(weights, 1, keepdims=True)
    share = weights / jnp.maximum(total, jnp.finfo(weights.dtype).tiny)
    fixed = fixed - jnp.sum(share * fixed, 1, keepdims=True)
    moved = moved - jnp.sum(share * moved, 1, keepdims=True)
    covariance = jnp.sum(share * fixed * moved, 1)
    spread = jnp.sum(share * fixed**2, 1) * jnp.sum(share * moved**2, 1)
    return covariance / jnp.sqrt(spread + _SMALLEST_VARIANCE**2)


def global_ncc_loss(
    fixed: Float[Array, "b *space c"],
    moved: Float[Array, "b *space c"],
    weights: Float[Array, "b *space c"] | None = None,
) -> Float[Array, ""]:
    """Minus the mean of `global_ncc`: -1 for images equal up to contrast.

    Args:
        fixed: Intensities in [0, 1].
        moved: Intensities in [0, 1], same shape.
        weights: See `global_ncc`.

    Returns:
        A scalar between -1 and 1.
    """
    return -jnp.mean(global_ncc(fixed, moved, weights))
