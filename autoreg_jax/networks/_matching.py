"""Where in the neighbourhood of a voxel its counterpart lies, from features alone."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array

from autoreg_jax.ops import repeat_border, window_sum

INITIAL_SHARPNESS = 20.0
# Correlations are averaged over this window: one voxel of a few channels says little.
_WINDOW = 3
_EPSILON = 1e-3


class Matching(nn.Module):
    """Expected offset between two feature maps under a softmax of their correlation.

    `c(x, o) = ⟨f̂(x), m̂(x + o)⟩` for every offset o of at most `radius` voxels on each
    axis, where f̂ and m̂ have zero mean and unit variance over the channels, averaged
    over a window around x; the result is `Σ_o softmax_o(s · c(x, o)) · o` with a
    learned sharpness s. Cost volumes come from stereo and optical flow (Sun et al.,
    PWC-Net, CVPR 2018), their soft argmax from Kendall et al. (ICCV 2017).

    Attributes:
        radius: Of the neighbourhood in voxels, ≥ 1.
    """

    radius: int

    @nn.compact
    def __call__(self, fixed: Array, moving: Array) -> Array:
        """Look for each voxel of `fixed` in `moving`.

        Args:
            fixed: Features `(b, *space, c)`.
            moving: The same shape.

        Returns:
            Offsets `(b, *space, d)` in voxels, each within ±`radius`, that pull
            `moving` onto `fixed` as a displacement does.
        """
        sharpness = self.param(
            "sharpness",
            nn.initializers.constant(INITIAL_SHARPNESS),
            (),
            jnp.float32,
        )
        volume = correlations(fixed, moving, self.radius)
        weights = jax.nn.softmax(sharpness * volume, axis=0)
        starts = _starts(self.radius, fixed.ndim - 2)
        offsets = jnp.asarray(starts - self.radius, fixed.dtype)
        # A position, not a feature: in full precision, see `ops._lowering`.
        return jnp.tensordot(weights, offsets, ((0,), (0,)), precision="highest")


def correlations(fixed: Array, moving: Array, radius: int) -> Array:
    """`c(x, o)` of `Matching` for every offset o.

    Args:
        fixed: Features `(b, *space, c)`.
        moving: The same shape.
        radius: Largest offset along each axis in voxels, ≥ 1.

    Returns:
        `((2 radius + 1)^d, b, *space)`, each between -1 and 1, offsets in the order of
        `itertools.product`.
    """
    ndim = fixed.ndim - 2
    fixed, moving = _normalised(fixed), _normalised(moving)
    around = repeat_border(moving, (radius,) * ndim)

    # One offset at a time, recomputed in the backward pass: the shifted images of all
    # offsets together would fill the memory.
    @jax.checkpoint
    def correlation(start: Array) -> Array:
        zero = jnp.zeros((), start.dtype)
        begin = (zero, *start, zero)
        shifted = jax.lax.dynamic_slice(around, begin, moving.shape)
        return jnp.mean(fixed * shifted, -1)

    volume = jax.lax.map(correlation, jnp.asarray(_starts(radius, ndim)))
    sums = jax.vmap(lambda c: window_sum(c[..., None], _WINDOW)[..., 0])(volume)
    return sums / _WINDOW**ndim


def _starts(radius: int, ndim: int) -> np.ndarray:
    """Every offset, counted from the most negative one."""
    span = range(2 * radius + 1)
    return np.array(list(itertools.product(span, repeat=ndim)), np.int32)


def _normalised(features: Array) -> Array:
    """Zero mean and unit variance over the channels of each voxel."""
    centred = features - jnp.mean(features, -1, keepdims=True)
    variance = jnp.mean(centred**2, -1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + _EPSILON)
