"""Mutual information, the global similarity of images of different contrasts."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def mutual_information(
    fixed: Float[Array, "b *space 1"],
    moved: Float[Array, "b *space 1"],
    weights: Float[Array, "b *space 1"] | None = None,
    *,
    num_bins: int = 32,
) -> Float[Array, " b"]:
    """Mutual information Σ p(f, m) log(p(f, m) / p(f) p(m)) of two images, in nats.

    The joint histogram is soft: a voxel falls into the four bins around its intensity
    with the weights of a cubic B-spline, so that derivatives are continuous.

    Args:
        fixed: Intensities in [0, 1], clipped to it.
        moved: Intensities in [0, 1], same shape.
        weights: Weight of each voxel, ≥ 0, e.g. a mask; default: 1.
        num_bins: Bins of each image, at least 5.

    Returns:
        Not negative, up to rounding; 0, with a finite gradient, where an image is
        constant or the weights are all zero.

    Raises:
        ValueError: If there are fewer than 5 bins.

    References:
        Mattes et al., "PET-CT image registration in the chest using free-form
        deformations", IEEE TMI 2003. Viola and Wells, IJCV 1997.
    """
    if num_bins < 5:
        raise ValueError(f"num_bins must be at least 5, got {num_bins}.")
    weights = jnp.ones_like(fixed) if weights is None else weights
    batch = fixed.shape[0]
    share = weights.reshape(batch, -1, 1)
    total = jnp.sum(share, 1, keepdims=True)
    share = share / jnp.maximum(total, jnp.finfo(share.dtype).tiny)
    of_fixed = share * _bins(fixed.reshape(batch, -1), num_bins)
    of_moved = _bins(moved.reshape(batch, -1), num_bins)
    joint = jnp.einsum("bnf,bnm->bfm", of_fixed, of_moved, precision="highest")
    marginals = joint.sum(2, keepdims=True) * joint.sum(1, keepdims=True)
    # An empty cell of the product is empty in the joint histogram, too.
    is_empty = joint <= jnp.finfo(joint.dtype).eps * 1e-3
    ratio = jnp.where(is_empty, 1.0, joint) / jnp.where(is_empty, 1.0, marginals)
    return jnp.sum(joint * jnp.log(ratio), (1, 2))


def _bins(intensity: Array, num_bins: int) -> Array:
    """Share of every bin in every voxel, (b, n, num_bins); the shares sum to one."""
    # Bins 1 to num_bins - 2 hold the data, so that the spline stays inside.
    place = 1 + jnp.clip(intensity, 0, 1) * (num_bins - 3)
    centres = jnp.arange(num_bins, dtype=intensity.dtype)
    distance = jnp.abs(place[..., None] - centres[None, None])
    inner = 2 / 3 - distance**2 * (1 - distance / 2)
    outer = jnp.maximum(2 - distance, 0) ** 3 / 6
    return jnp.where(distance < 1, inner, outer)
