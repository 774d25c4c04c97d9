"""Label maps under a displacement: the class with the largest interpolated share."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from autoreg_jax.data import Volume
from autoreg_jax.geometry._world import voxel_coordinates
from autoreg_jax.losses import one_hot
from autoreg_jax.spatial import warp
from autoreg_jax.transforms import vote

# Points handled at once: bounds the memory at a few hundred bytes a point.
_CHUNK = 1_000_000


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


def sample_labels(
    volume: Volume, points: Float[np.ndarray, "*n 3"]
) -> Int[np.ndarray, "*n"]:
    """Labels at world positions, by the same rule as `warp_labels`.

    The cost does not depend on the number of labels: only those of the neighbouring
    voxels compete for a point.

    Args:
        volume: Label map, any whole numbers.
        points: Positions in mm, RAS+.

    Returns:
        Labels; 0 outside of the map.
    """
    flat = points.reshape(-1, 3)
    # A voxel of background all around stands for everything outside.
    padded = np.pad(volume.array, 1)
    last = np.asarray(padded.shape) - 1
    labels = [
        vote(padded, np.clip(voxel_coordinates(volume, part) + 1, 0, last))
        for part in np.array_split(flat, max(1, -(-len(flat) // _CHUNK)))
    ]
    return np.concatenate(labels).reshape(points.shape[:-1])
