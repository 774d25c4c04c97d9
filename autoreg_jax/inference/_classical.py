"""Registration without a model: one pair, from coarse to fine."""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from autoreg_jax.inference._optimise import descend
from autoreg_jax.inference._refine import Refined
from autoreg_jax.losses import Objective, Similarity, find_similarity
from autoreg_jax.runtime import in_single_precision
from autoreg_jax.spatial import (
    coarser_shape,
    downsample,
    gaussian_smooth,
    half_shape,
    integrate,
    resize_displacement,
    warp,
)

# Resolutions, edge of the local windows, squarings, and the width of the kernel that
# smooths the velocity, in its voxels.
_LEVELS, _WINDOW, _NUM_STEPS, _WIDTH = 3, 7, 6, 1.0
# Weight of the roughness of the displacement.
_SMOOTHNESS = 0.5
# Gradients below this fraction of the weight of a voxel in a mean are noise.
_SMALL_GRADIENT = 1e-2


@in_single_precision
def register_pair(
    moving: Float[Array, "1 *space 1"],
    fixed: Float[Array, "1 *space 1"],
    spacing: Float[Array, " d"],
    *,
    num_iterations: int,
    learning_rate: float = 0.05,
    similarity: str | Similarity = Objective.similarity,
    fixed_mask: Float[Array, "1 *space 1"] | None = None,
    moving_mask: Float[Array, "1 *space 1"] | None = None,
) -> Refined:
    """Find the stationary velocity that brings a moving image onto a fixed one.

    Minimises mean(`Similarity.difference`) + w · mean |∇u|² by Adam over a velocity v
    with u = exp(v) on the grid of half resolution. v is a Gaussian kernel applied to
    the variable of Adam, so that each step is smooth. The images are used at a quarter
    of the resolution, then at half, then at full; each level starts from the best
    iterate of the previous one.

    Args:
        moving: Intensities in [0, 1].
        fixed: The same shape.
        spacing: Size of a voxel along each axis; the unit does not matter.
        num_iterations: Largest number of steps of each level, ≥ 1; a level ends earlier
            if its loss is flat.
        learning_rate: Initial learning rate of Adam, in voxels of half resolution per
            step; it falls to zero.
        similarity: A name in `losses.SIMILARITIES`, or a `Similarity` of your own.
        fixed_mask: Weight of each voxel of the fixed image, 0 to 1; default: all 1.
        moving_mask: Weight of each voxel of the moving image, 0 to 1; it is warped with
            the image; default: all 1.

    Returns:
        The best iterate at full resolution; no motion if nothing was better, so that
        `loss` is never above `loss_before`, the loss of no motion.
    """
    levels = [_Level(fixed, moving, fixed_mask, moving_mask, spacing)]
    while len(levels) < _LEVELS:
        levels.append(_coarser(levels[-1]))
    compared = find_similarity(similarity)
    describe = jax.jit(compared.describe)
    levels = [x._replace(fixed=describe(x.fixed)) for x in levels]
    dimensions = fixed.ndim - 2
    control = jnp.zeros((1, *half_shape(levels[-1].space), dimensions), fixed.dtype)
    loss = rest_loss = jnp.zeros((), fixed.dtype)
    for level in reversed(levels):
        control = resize_displacement(control, half_shape(level.space))
        control, loss, rest_loss = _search(
            level,
            control,
            num_iterations=num_iterations,
            learning_rate=learning_rate,
            similarity=compared,
        )
    velocity, displacement = _fields(control, levels[0].space)
    return Refined(velocity, displacement, rest_loss, loss)


class _Level(NamedTuple):
    """A pair at one resolution; `fixed` is its `Similarity.describe`."""

    fixed: Array
    moving: Array
    fixed_mask: Array | None
    moving_mask: Array | None
    spacing: Array

    @property
    def space(self) -> tuple[int, ...]:
        return self.moving.shape[1:-1]


@jax.jit
def _coarser(level: _Level) -> _Level:
    shape = coarser_shape(level.space)
    factor = np.maximum(np.asarray(level.space) - 1, 1) / np.maximum(
        np.asarray(shape) - 1, 1
    )
    images = jax.tree.map(
        partial(downsample, shape=shape), level._replace(spacing=None)
    )
    spacing = level.spacing * jnp.asarray(factor, level.spacing.dtype)
    return images._replace(spacing=spacing)


@partial(jax.jit, static_argnames=("num_iterations", "similarity"))
def _search(
    level: _Level,
    start: Array,
    *,
    num_iterations: int,
    learning_rate: float,
    similarity: Similarity,
) -> tuple[Array, Array, Array]:
    """The best iterate of a level, its loss, and the loss of no motion."""
    found = descend(
        partial(_loss, level, similarity=similarity),
        jnp.zeros_like(start),
        start,
        num_iterations=num_iterations,
        learning_rate=learning_rate,
        eps=_SMALL_GRADIENT / math.prod(level.space),
        ends_early=True,
    )
    return found.best, found.loss, found.first_loss


@partial(jax.jit, static_argnames="space")
def _fields(control: Array, space: tuple[int, ...]) -> tuple[Array, Array]:
    """Velocity at half resolution, displacement at full, each in its own voxels."""
    velocity = gaussian_smooth(control, _WIDTH)
    half = integrate(velocity, _NUM_STEPS, boundary="edge")
    return velocity, resize_displacement(half, space)


def _loss(level: _Level, control: Array, similarity: Similarity) -> Array:
    displacement = _fields(control, level.space)[1]
    moved = warp(level.moving, displacement, boundary="edge")
    differences = similarity.difference(level.fixed, moved, _WINDOW)
    roughness = _roughness(displacement, level.spacing)
    difference = _masked_mean(differences, level, displacement)
    return difference + _SMOOTHNESS * roughness


def _masked_mean(differences: Array, level: _Level, displacement: Array) -> Array:
    """Mean over the grid, with masked voxels as zero.

    The mask of the moving image must not reward hiding: the mean over the visible part
    of the fixed mask is scaled to all of it, and has no gradient in the visible part.
    """
    weight = jnp.ones_like(level.moving)
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
