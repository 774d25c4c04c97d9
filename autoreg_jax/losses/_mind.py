"""MIND-SSC, the similarity of images of different modalities."""

import itertools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from autoreg_jax.ops import repeat_border, window_sum

# Smallest variance that divides a distance (intensity², images in [0, 1]): an image
# without any structure gets the descriptor 1 instead of 0/0.
_SMALLEST_VARIANCE = 1e-8


def mind_descriptor(
    image: Float[Array, "b *space c"], radius: int = 2, dilation: int = 2
) -> Float[Array, "b *space pairs"]:
    """Self-similarity context of every voxel, exp(-D / variance).

    D compares the patches at pairs of neighbours, `dilation` voxels away along two
    different axes: 12 pairs in 3-D, 4 in 2-D. Borders are repeated. The smallest D of a
    voxel is subtracted from all, their mean is the variance, clamped between 0.001 and
    1000 times its own mean over the image; as in the published code no gradient flows
    through these bounds. (Each image of a batch has its own bounds.)

    Args:
        image: Intensities in [0, 1].
        radius: Half edge of the cubic patch, in voxels.
        dilation: Distance of the neighbours, in voxels.

    Returns:
        Descriptor between 0 and 1, a channel for each pair of neighbours; of several
        channels of the image, those of the first one, then those of the second, ...

    References:
        Heinrich et al., "Towards realtime multimodal fusion for image-guided
        interventions using self-similarities", MICCAI 2013.
    """
    if image.shape[-1] > 1:
        parts = (image[..., c : c + 1] for c in range(image.shape[-1]))
        found = [mind_descriptor(part, radius, dilation) for part in parts]
        return jnp.concatenate(found, -1)
    distances = _patch_distances(image[..., 0], radius, dilation)
    distances = distances - jnp.min(distances, axis=0, keepdims=True)
    variance = jnp.mean(distances, axis=0)
    space = tuple(range(1, variance.ndim))
    mean = lax.stop_gradient(jnp.mean(variance, axis=space, keepdims=True))
    variance = jnp.clip(variance, 0.001 * mean, 1000 * mean)
    variance = jnp.maximum(variance, _SMALLEST_VARIANCE)
    return jnp.moveaxis(jnp.exp(-distances / variance[None]), 0, -1)


def mind_loss(
    fixed: Float[Array, "b *space c"], moved: Float[Array, "b *space c"]
) -> Float[Array, ""]:
    """Mean squared difference of the MIND-SSC descriptors of the two images.

    Args:
        fixed: Intensities in [0, 1].
        moved: Intensities in [0, 1], same shape.

    Returns:
        A scalar between 0 (equal descriptors) and 1.
    """
    return jnp.mean((mind_descriptor(fixed) - mind_descriptor(moved)) ** 2)


def _patch_distances(image: Array, radius: int, dilation: int) -> Array:
    """Mean squared difference of the patches at each pair (pairs, b, *space)."""
    axes = range(1, image.ndim)
    padded = _wider(image, dilation)

    def neighbour(axis, step):
        start = [0] + [dilation] * (image.ndim - 1)
        start[axis] += step * dilation
        stop = [begin + size for begin, size in zip(start, image.shape, strict=True)]
        return lax.slice(padded, start, stop)

    neighbours = [(axis, neighbour(axis, step)) for axis in axes for step in (-1, 1)]
    squares = jnp.stack(
        [
            (first - second) ** 2
            for (axis, first), (other, second) in itertools.combinations(neighbours, 2)
            if axis != other
        ]
    )
    size = 2 * radius + 1

    def means(squares: Array) -> Array:
        sums = window_sum(_wider(squares, radius)[..., None], size)[..., 0]
        inside = (slice(None), *(slice(radius, radius + n) for n in image.shape[1:]))
        return sums[inside] / size ** len(axes)

    # Not one axis with the batch, which may be divided over devices.
    return jax.vmap(means)(squares)


def _wider(image: Array, width: int) -> Array:
    """`(b, *space)` with its border repeated."""
    return repeat_border(image[..., None], (width,) * (image.ndim - 1))[..., 0]
