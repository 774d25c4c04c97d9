"""Label maps under a displacement: the class with the largest interpolated share."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from autoreg_jax.losses import one_hot
from autoreg_jax.spatial import warp


@partial(jax.jit, static_argnames="num_classes")
def warp_labels(
    labels: Int[Array, "b *space"],
    displacement: Float[Array, "b *space d"],
    num_classes: int,
) -> Int[Array, "b *space"]:
    """Pull a label map back: linear interpolation of each class, then the largest.

    Args:
        labels: Class indices in [0, num_classes).
        displacement: u in voxels.
        num_classes: Number of classes with the background, which wins where nothing is.

    Returns:
        Class indices.
    """
    shares = warp(one_hot(labels, num_classes), displacement)
    outside = 1.0 - jnp.sum(shares, -1)
    shares = shares.at[..., 0].add(outside)
    return jnp.argmax(shares, -1).astype(labels.dtype)
