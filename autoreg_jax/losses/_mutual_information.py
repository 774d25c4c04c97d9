"""Mutual information, the global similarity of images of different contrasts."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Voxels whose shares of all bins are in memory at once.
_CHUNK = 2**14


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


def information_difference(
    fixed: Float[Array, "b *space 1"],
    moved: Float[Array, "b *space 1"],
    *,
    num_bins: int = 32,
) -> Float[Array, "b *space 1"]:
    """Minus what each voxel adds to the mutual information, by the entropy of `fixed`.

    Its mean is -MI(fixed, moved) / H(fixed): 0 for images that say nothing of each
    other, down to -1 where the moved image decides the fixed one. The histograms are
    those of `mutual_information`; voxels are looked at in chunks, in forward and
    backward passes, so that the memory is that of some images.

    Args:
        fixed: Intensities in [0, 1], clipped to it.
        moved: Intensities in [0, 1], same shape.
        num_bins: Bins of each image, at least 5.

    Returns:
        The differences; 0 where an image is constant.

    Raises:
        ValueError: If there are fewer than 5 bins.
    """
    if num_bins < 5:
        raise ValueError(f"num_bins must be at least 5, got {num_bins}.")

    def of_pair(pair: tuple[Array, Array]) -> Array:
        one, other = (_chunked(image) for image in pair)
        count = pair[0].size
        inside = (jnp.arange(one.size) < count).reshape(one.shape)

        def joint_of(f: Array, m: Array, share: Array) -> Array:
            of_fixed = share[:, None] * _bins(f[None], num_bins)[0]
            of_moved = _bins(m[None], num_bins)[0]
            return jnp.einsum("nf,nm->fm", of_fixed, of_moved, precision="highest")

        joint = _summed(joint_of, (one, other, inside / count), (num_bins, num_bins))
        of_fixed, of_moved = joint.sum(1), joint.sum(0)
        gain = _log(joint) - _log(of_fixed)[:, None] - _log(of_moved)[None]
        entropy = -jnp.sum(of_fixed * _log(of_fixed))
        is_constant = entropy <= _LEAST_ENTROPY
        share = jnp.where(joint <= _LEAST, 0.0, gain)
        share = jnp.where(is_constant, 0.0, share / jnp.where(is_constant, 1, entropy))

        @jax.checkpoint
        def value(chunk: tuple[Array, Array]) -> Array:
            of_fixed, of_moved = (_bins(image[None], num_bins)[0] for image in chunk)
            known = jnp.dot(of_fixed, share, precision="highest")
            return -jnp.sum(known * of_moved, -1)

        found = jax.lax.map(value, (one, other)).ravel()[:count]
        return found.reshape(pair[0].shape)

    return jax.lax.map(of_pair, (fixed, moved))


# Probabilities and entropies (nats) below these are rounding.
_LEAST, _LEAST_ENTROPY = 1e-10, 1e-6


def _log(probability: Array) -> Array:
    """The logarithm; 0, with a finite gradient, of what is next to nothing."""
    is_empty = probability <= _LEAST
    return jnp.where(is_empty, 0.0, jnp.log(jnp.where(is_empty, 1.0, probability)))


def _chunked(image: Array) -> Array:
    """The voxels, `(chunks, size)`; the last chunk is filled with zeros."""
    values = image.ravel()
    size = min(_CHUNK, values.size)
    return jnp.pad(values, (0, -values.size % size)).reshape(-1, size)


def _summed(
    function: Callable[..., Array], chunks: tuple[Array, ...], shape: tuple[int, ...]
) -> Array:
    """Sum of a function over chunks; nothing of them is kept for the backward pass."""

    @jax.checkpoint
    def add(total: Array, chunk: tuple[Array, ...]) -> tuple[Array, None]:
        return total + function(*chunk), None

    return jax.lax.scan(add, jnp.zeros(shape, chunks[0].dtype), chunks)[0]


def _bins(intensity: Array, num_bins: int) -> Array:
    """Share of every bin in every voxel, (b, n, num_bins); the shares sum to one."""
    # Bins 1 to num_bins - 2 hold the data, so that the spline stays inside.
    place = 1 + jnp.clip(intensity, 0, 1) * (num_bins - 3)
    centres = jnp.arange(num_bins, dtype=intensity.dtype)
    distance = jnp.abs(place[..., None] - centres[None, None])
    inner = 2 / 3 - distance**2 * (1 - distance / 2)
    outer = jnp.maximum(2 - distance, 0) ** 3 / 6
    return jnp.where(distance < 1, inner, outer)
