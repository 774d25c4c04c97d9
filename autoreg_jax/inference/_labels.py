"""Label maps under a displacement: the class with the largest interpolated share."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from autoreg_jax.data import Volume
from autoreg_jax.inference._resample import voxel_coordinates
from autoreg_jax.losses import one_hot
from autoreg_jax.spatial import warp

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
    parts = np.array_split(flat, max(1, -(-len(flat) // _CHUNK)))
    labels = [_vote(volume.array, voxel_coordinates(volume, part)) for part in parts]
    return np.concatenate(labels).reshape(points.shape[:-1])


def _vote(
    array: Int[np.ndarray, "*space"], index: Float[np.ndarray, "n d"]
) -> Int[np.ndarray, " n"]:
    """Let the voxels around each index vote with their linear weights."""
    # A voxel of background all around stands for everything outside.
    padded = np.pad(array, 1)
    index = np.clip(index + 1, 0, np.asarray(padded.shape) - 1)
    low = np.minimum(index.astype(int), np.asarray(padded.shape) - 2)
    part = (index - low).astype(np.float32)
    labels, weights = [], []
    for corner in itertools.product((0, 1), repeat=array.ndim):
        labels.append(padded[tuple((low + corner).T)])
        weights.append(np.prod(np.where(corner, part, 1 - part), axis=1))
    best = labels[0]
    best_share = np.full(len(index), -1, np.float32)
    for candidate in labels:
        pairs = zip(labels, weights, strict=True)
        share = sum(weight * (label == candidate) for label, weight in pairs)
        wins = (share > best_share) | ((share == best_share) & (candidate < best))
        best = np.where(wins, candidate, best)
        best_share = np.where(wins, share, best_share)
    return best
