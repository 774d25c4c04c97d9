"""Normalised cross-correlation, the similarity of images of one modality."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from autoreg_jax.ops import window_sum

# Added to the product of two sums of squares, as in the published code: it decides how
# much a window without structure counts, for intensities in [0, 1].
_EPSILON = 1e-5
# The same where windows without contrast hardly count: only against rounding.
_ROUNDING = 1e-10
# Mean square deviation below which an image counts as constant, intensities in [0, 1].
_SMALLEST_VARIANCE = 1e-8


def local_ncc(
    fixed: Float[Array, "b *space c"],
    moved: Float[Array, "b *space c"],
    window: int = 9,
    *,
    floor: float = 0.0,
) -> Float[Array, "b *space c"]:
    """Squared correlation of the two images in the window around every voxel.

    cov² / (var_fixed · var_moved + 1e-5), sums over a cube that meets zeros outside
    the grid. Variances are clamped at zero, so rounding never makes the denominator
    vanish; on a constant background the value and its gradient are zero.

    What is added to the denominator rewards contrast that is pulled into a window that
    has little. With `floor` each window counts w = var² / (var² + (floor · mean var)²),
    var that of the fixed image, and 1e-10 is added: then no deformation makes an image
    more similar to itself than it is, but for rounding.

    Args:
        fixed: Intensities in [0, 1].
        moved: Intensities in [0, 1], same shape.
        window: Edge of the window in voxels, odd.
        floor: Fraction of the mean variance of the fixed image, at which a window
            counts half; 0: all windows count.

    Returns:
        The score, between 0 and 1 up to rounding; each channel by itself.

    Raises:
        ValueError: If `window` is even or not positive.

    References:
        Avants et al., Medical Image Analysis 2008.
    """
    voxels = window ** (fixed.ndim - 2)
    fixed_sum, moved_sum = window_sum(fixed, window), window_sum(moved, window)
    covariance = window_sum(fixed * moved, window) - fixed_sum * moved_sum / voxels
    fixed_variance = window_sum(fixed**2, window) - fixed_sum**2 / voxels
    moved_variance = window_sum(moved**2, window) - moved_sum**2 / voxels
    spread = jnp.maximum(fixed_variance, 0) * jnp.maximum(moved_variance, 0)
    if floor == 0:
        return covariance**2 / (spread + _EPSILON)
    contrast = jnp.maximum(fixed_variance, 0)
    space = tuple(range(1, fixed.ndim - 1))
    noise = floor * jnp.mean(contrast, axis=space, keepdims=True)
    weight = contrast**2 / (contrast**2 + noise**2 + _ROUNDING)
    return weight * covariance**2 / (spread + _ROUNDING)


def local_ncc_loss(
    fixed: Float[Array, "b *space c"],
    moved: Float[Array, "b *space c"],
    window: int = 9,
) -> Float[Array, ""]:
    """Minus the mean of `local_ncc`: -1 for equal images, 0 for unrelated ones.

    Arguments and errors are those of `local_ncc`; the paper's code takes windows of 9,
    7 and 5 voxels at full, half and quarter resolution.
    """
    return -jnp.mean(local_ncc(fixed, moved, window))


def global_ncc(
    fixed: Float[Array, "b *space c"],
    moved: Float[Array, "b *space c"],
    weights: Float[Array, "b *space c"] | None = None,
) -> Float[Array, " b"]:
    """Pearson's correlation over all voxels of each pair.

    Args:
        fixed: Intensities in [0, 1].
        moved: Intensities in [0, 1], same shape.
        weights: Weight of each voxel, ≥ 0, e.g. a mask; default: 1.

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
