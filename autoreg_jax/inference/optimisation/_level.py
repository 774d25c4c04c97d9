"""A pair of images at one resolution, and the loss of a velocity there."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from autoreg_jax.inference.optimisation._guidance import (
    Guidance,
    coarser_guidance,
    guidance_loss,
)
from autoreg_jax.losses import Similarity
from autoreg_jax.spatial import (
    coarser_shape,
    compose,
    downsample,
    half_shape,
    integrate,
    jacobian_determinant,
    resize_displacement,
    warp,
)

# Edge of the local windows, squarings.
WINDOW, NUM_STEPS = 5, 6
# Below this determinant a voxel is nearly folded, and what is missing costs this many
# times as much as the similarity. A softer or an earlier penalty takes away honest
# compression, and overlap, too.
_NEARLY_FOLDED, _FOLDING = 0.1, 20.0


class Level(NamedTuple):
    """A pair at one resolution: images or features; `fixed` may be a description."""

    fixed: Any
    moving: Array
    fixed_mask: Array | None
    moving_mask: Array | None
    start: Array | None
    spacing: Array
    guidance: Guidance | None = None

    @property
    def space(self) -> tuple[int, ...]:
        """Shape of the images."""
        return self.moving.shape[1:-1]


def _steps_between(fine: tuple[int, ...], coarse: tuple[int, ...]) -> np.ndarray:
    """Voxels of a fine grid from one voxel of a coarse one to the next, each axis."""
    steps = [np.maximum(np.asarray(shape) - 1, 1) for shape in (fine, coarse)]
    return (steps[0] / steps[1]).astype(np.float32)


@jax.jit
def coarser_level(level: Level) -> Level:
    """The pair at half of the resolution."""
    shape = coarser_shape(level.space)
    images = jax.tree.map(
        partial(downsample, shape=shape),
        level._replace(start=None, spacing=None, guidance=None),
    )
    spacing = level.spacing * _steps_between(level.space, shape)
    start = level.start
    if start is not None:
        start = resize_displacement(start, half_shape(shape))
    guidance = level.guidance and coarser_guidance(level.guidance, shape)
    return images._replace(start=start, spacing=spacing, guidance=guidance)


@partial(jax.jit, static_argnames="space")
def displacements(
    velocity: Array, start: Array | None, space: tuple[int, ...]
) -> tuple[Array, Array]:
    """Displacements at full and at half resolution, each in its own voxels."""
    half = integrate(velocity, NUM_STEPS, boundary="edge")
    if start is not None:
        half = compose(start, half)
    return resize_displacement(half, space), half


def level_loss(
    level: Level,
    velocity: Array,
    smoothness: Array,
    similarity: Similarity,
    interpolation: str = "linear",
) -> Array:
    """What `register_pair` minimises."""
    displacement, half = displacements(velocity, level.start, level.space)
    moved = warp(
        level.moving, displacement, interpolation=interpolation, boundary="edge"
    )
    differences = similarity.difference(level.fixed, moved, WINDOW)
    difference = masked_mean(differences, level, displacement)
    # A field is as smooth as it is at half resolution, where that takes a fifth of the
    # time: what comes between is linear. Folds of a few voxels are not seen there.
    spacing = level.spacing * _steps_between(level.space, half.shape[1:-1])
    roughness = smoothness * _roughness(half, spacing)
    lacking = jax.nn.relu(_NEARLY_FOLDED - jacobian_determinant(displacement))
    loss = difference + roughness + _FOLDING * jnp.mean(lacking)
    if level.guidance is not None:
        loss += guidance_loss(level.guidance, half, level.space)
    return loss


def masked_mean(differences: Array, level: Level, displacement: Array) -> Array:
    """Mean over the grid, with masked voxels as zero.

    The mask of the moving image must not reward hiding: the mean over the visible part
    of the fixed mask is scaled to all of it, and has no gradient in the visible part.
    """
    weight = jnp.ones_like(level.moving[..., :1])
    if level.fixed_mask is not None:
        weight = level.fixed_mask
    whole = jnp.mean(weight)
    if level.moving_mask is not None:
        visible = warp(level.moving_mask, jax.lax.stop_gradient(displacement))
        weight = weight * visible
    scale = whole / jnp.maximum(jnp.mean(weight), 1e-6)
    return scale * jnp.mean(weight * differences)


def _roughness(displacement: Array, spacing: Array) -> Array:
    """Mean |∂u_i/∂x_j|² / d over the grid, in units of length instead of voxels."""
    dimensions = displacement.shape[-1]
    lengths = displacement * spacing.reshape((1,) * (displacement.ndim - 1) + (-1,))
    slopes = [
        jnp.mean(jnp.diff(lengths, axis=axis + 1) ** 2) / spacing[axis] ** 2
        for axis in range(dimensions)
        if displacement.shape[axis + 1] > 1
    ]
    return sum(slopes, start=jnp.zeros((), displacement.dtype)) / dimensions
