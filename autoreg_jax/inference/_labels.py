"""Label maps and volumes under a displacement."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.losses import one_hot
from autoreg_jax.spatial import warp


@partial(jax.jit, static_argnames="num_classes")
def warp_labels(labels: Array, displacement: Array, num_classes: int) -> Array:
    """Pull a label map back: linear interpolation of each class, then the largest.

    Args:
        labels: Class indices `(b, *space)` in [0, num_classes).
        displacement: `(b, *space, d)` in voxels.
        num_classes: Number of classes with the background, which wins where nothing is.

    Returns:
        Class indices `(b, *space)`.
    """
    shares = warp(one_hot(labels, num_classes), displacement)
    outside = 1.0 - jnp.sum(shares, -1)
    shares = shares.at[..., 0].add(outside)
    return jnp.argmax(shares, -1).astype(labels.dtype)
