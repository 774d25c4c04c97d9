"""Optimisation of the displacement of one pair, from coarse to fine."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from autoreg_jax.inference._discrete import discrete_velocity
from autoreg_jax.inference._optimise import descend
from autoreg_jax.losses import Objective, Similarity, find_similarity
from autoreg_jax.runtime import in_single_precision
from autoreg_jax.spatial import (
    coarser_shape,
    compose,
    downsample,
    gaussian_smooth,
    half_shape,
    integrate,
    jacobian_determinant,
    resize_displacement,
    warp,
)

# Resolutions, edge of the local windows, squarings, and the width of the kernel that
# smooths the velocity, in its voxels.
_LEVELS, _WINDOW, _NUM_STEPS, _WIDTH = 3, 5, 6, 0.6
# A step at full resolution costs eight times as much as one at half, and finds less.
_FINEST_SHARE = 3
# Weight of the roughness of the displacement.
SMOOTHNESS = 0.5
# Below this determinant a voxel is nearly folded, and what is missing costs this many
# times as much as the similarity. A softer or an earlier penalty takes away honest
# compression, and overlap, too.
_NEARLY_FOLDED, _FOLDING = 0.1, 20.0
# Gradients below this fraction of the weight of a voxel in a mean are noise.
_SMALL_GRADIENT = 1e-2
# Weight of the difference of features, relative to what is left of it at the start; of
# that, so much of the variance of the features is the least that is believed.
_FEATURES, _FLOOR, _SMALLEST_DIFFERENCE = 0.017, 0.01, 1e-8


class Refined(NamedTuple):
    """The best iterate of an optimisation.

    Attributes:
        velocity: `(1, *half, d)` in voxels of half resolution; with a start, of the
            map that the start is composed with.
        displacement: `(1, *space, d)` in voxels.
        loss_before: Loss of the start; of no motion without one.
        loss: Loss of the best iterate, never above `loss_before`.
    """

    velocity: Array
    displacement: Array
    loss_before: Array
    loss: Array


@in_single_precision
def register_pair(  # noqa: PLR0913
    moving: Float[Array, "1 *space 1"],
    fixed: Float[Array, "1 *space 1"],
    spacing: Float[Array, " d"],
    *,
    num_iterations: int,
    learning_rate: float = 0.1,
    smoothness: float = SMOOTHNESS,
    similarity: str | Similarity = Objective.similarity,
    fixed_mask: Float[Array, "1 *space 1"] | None = None,
    moving_mask: Float[Array, "1 *space 1"] | None = None,
    start: Float[Array, "1 *grid d"] | None = None,
) -> Refined:
    """Find the displacement that brings a moving image onto a fixed one.

    Minimises mean(`Similarity.difference`) + w · mean |∇u|² + 20 · mean max(0, 0.1 −
    det ∇φ) by Adam over a velocity v, whose exponential is u, or what the start is
    composed with: φ = φ_start ∘ exp(v). v, and the last two terms, are those of the
    grid of half resolution. What a level adds to v is a Gaussian kernel applied to the
    variable of Adam, so that each step is smooth. The images are used at a quarter of
    the resolution (without a start), then at half, then at full; each level starts from
    the best iterate of the previous one.

    A similarity with `features`, such as MIND, computes them once for each image. The
    default start is then a discrete search at a quarter of the resolution (without a
    mask of the moving image), and Adam descends at half of it only. The difference is
    divided by what the start leaves of it: the less two contrasts have in common, the
    smoother is the field.

    Args:
        moving: Intensities in [0, 1].
        fixed: The same shape.
        spacing: Size of a voxel along each axis; the unit does not matter.
        num_iterations: Largest number of steps of each level, ≥ 1, of which full
            resolution takes a third; a level ends earlier if its loss is flat.
        learning_rate: Initial learning rate of Adam, in voxels of half resolution per
            step; it falls to zero.
        smoothness: The weight w of the roughness, u in units of `spacing`; > 0.
        similarity: A name in `losses.SIMILARITIES`, or a `Similarity` of your own.
        fixed_mask: Weight of each voxel of the fixed image, 0 to 1; default: all 1.
        moving_mask: Weight of each voxel of the moving image, 0 to 1; it is warped with
            the image; default: all 1.
        start: Displacement `(1, *grid, d)`, such as that of a network, in voxels of any
            grid that covers the images; default: none.

    Returns:
        The best iterate at full resolution; the start, or no motion, if nothing was
        better.
    """
    compared = find_similarity(similarity)
    dimensions, space = fixed.ndim - 2, fixed.shape[1:-1]
    if start is not None:
        start = resize_displacement(start, half_shape(space))
    levels = [_Level(fixed, moving, fixed_mask, moving_mask, start, spacing)]
    weight = jnp.asarray(smoothness, fixed.dtype)
    if compared.features is None:
        while len(levels) < _LEVELS - (start is not None):
            levels.append(_coarser(levels[-1]))
        describe = jax.jit(compared.describe)
        levels = [x._replace(fixed=describe(x.fixed)) for x in levels]
        coarsest = (1, *half_shape(levels[-1].space), dimensions)
        velocity = jnp.zeros(coarsest, fixed.dtype)
    else:
        level, velocity = _feature_start(levels[0], features=compared.features)
        levels, compared = [level], _SQUARES
    loss = rest_loss = jnp.zeros((), fixed.dtype)
    for level in reversed(levels):
        velocity = resize_displacement(velocity, half_shape(level.space))
        is_finest = len(levels) > 1 and level is levels[0]
        steps = -(-num_iterations // _FINEST_SHARE) if is_finest else num_iterations
        velocity, loss, rest_loss = _search(
            level,
            velocity,
            num_iterations=steps,
            learning_rate=learning_rate,
            smoothness=weight,
            similarity=compared,
        )
    velocity = resize_displacement(velocity, half_shape(space))
    displacement, _ = _displacements(velocity, start, space)
    return Refined(velocity, displacement, rest_loss, loss)


def _squares(fixed: Array, moved: Array, window: int) -> Array:
    """Difference of features in each voxel."""
    del window
    return jnp.mean((fixed - moved) ** 2, axis=-1, keepdims=True)


_SQUARES = Similarity(
    lambda fixed, moved, window: jnp.mean(_squares(fixed, moved, window)),
    lambda fixed: fixed,
    _squares,
)


class _Level(NamedTuple):
    """A pair at one resolution: images or features; `fixed` may be a description."""

    fixed: Array
    moving: Array
    fixed_mask: Array | None
    moving_mask: Array | None
    start: Array | None
    spacing: Array

    @property
    def space(self) -> tuple[int, ...]:
        return self.moving.shape[1:-1]


def _steps_between(fine: tuple[int, ...], coarse: tuple[int, ...]) -> np.ndarray:
    """Voxels of a fine grid from one voxel of a coarse one to the next, each axis."""
    fine, coarse = (np.maximum(np.asarray(x) - 1, 1) for x in (fine, coarse))
    return (fine / coarse).astype(np.float32)


@jax.jit
def _coarser(level: _Level) -> _Level:
    shape = coarser_shape(level.space)
    images = jax.tree.map(
        partial(downsample, shape=shape), level._replace(start=None, spacing=None)
    )
    spacing = level.spacing * _steps_between(level.space, shape)
    start = level.start
    if start is not None:
        start = resize_displacement(start, half_shape(shape))
    return images._replace(start=start, spacing=spacing)


@partial(jax.jit, static_argnames="features")
def _feature_start(
    level: _Level, *, features: Callable[[Array], Array]
) -> tuple[_Level, Array]:
    """Features at half of the resolution, weighted, and the velocity to start from."""
    computed = level._replace(
        fixed=features(level.fixed), moving=features(level.moving)
    )
    level = _coarser(computed)
    coarse = _coarser(level)
    velocity = jnp.zeros(
        (*coarse.fixed.shape[:-1], coarse.fixed.ndim - 2), coarse.fixed.dtype
    )
    if coarse.moving_mask is None and level.start is None:
        velocity = discrete_velocity(coarse.fixed, coarse.moving, coarse.fixed_mask)
    displacement = integrate(velocity, _NUM_STEPS, boundary="edge")
    if level.start is not None:
        displacement = resize_displacement(level.start, coarse.space)
    moved = warp(coarse.moving, displacement, boundary="edge")
    squares = _squares(coarse.fixed, moved, _WINDOW)
    left = _masked_mean(squares, coarse, displacement)
    if coarse.fixed_mask is not None:
        left = left / jnp.mean(coarse.fixed_mask)
    space = tuple(range(1, moved.ndim - 1))
    variances = jnp.var(coarse.fixed, space) + jnp.var(coarse.moving, space)
    weight = _FEATURES / (left + _FLOOR * jnp.mean(variances) + _SMALLEST_DIFFERENCE)
    fixed, moving = (weight**0.5 * x for x in (level.fixed, level.moving))
    return level._replace(fixed=fixed, moving=moving), velocity


@partial(jax.jit, static_argnames=("num_iterations", "similarity"))
def _search(
    level: _Level,
    start: Array,
    *,
    num_iterations: int,
    learning_rate: float,
    smoothness: Array,
    similarity: Similarity,
) -> tuple[Array, Array, Array]:
    """The best velocity of a level, its loss, and that of the velocity zero."""

    def velocity_of(control: Array) -> Array:
        return start + gaussian_smooth(control, _WIDTH)

    found = descend(
        lambda control: _loss(level, velocity_of(control), smoothness, similarity),
        jnp.zeros_like(start),
        jnp.zeros_like(start),
        num_iterations=num_iterations,
        learning_rate=learning_rate,
        eps=_SMALL_GRADIENT / math.prod(level.space),
        ends_early=True,
    )
    rest = jnp.zeros_like(start)
    rest_loss = _loss(level, rest, smoothness, similarity)
    is_better = found.loss < rest_loss
    velocity = jnp.where(is_better, velocity_of(found.best), rest)
    return velocity, jnp.minimum(found.loss, rest_loss), rest_loss


@partial(jax.jit, static_argnames="space")
def _displacements(
    velocity: Array, start: Array | None, space: tuple[int, ...]
) -> tuple[Array, Array]:
    """Displacements at full and at half resolution, each in its own voxels."""
    half = integrate(velocity, _NUM_STEPS, boundary="edge")
    if start is not None:
        half = compose(start, half)
    return resize_displacement(half, space), half


def _loss(
    level: _Level, velocity: Array, smoothness: Array, similarity: Similarity
) -> Array:
    displacement, half = _displacements(velocity, level.start, level.space)
    moved = warp(level.moving, displacement, boundary="edge")
    differences = similarity.difference(level.fixed, moved, _WINDOW)
    difference = _masked_mean(differences, level, displacement)
    # A field is as smooth as it is at half resolution, where that takes a fifth of the
    # time: what comes between is linear.
    spacing = level.spacing * _steps_between(level.space, half.shape[1:-1])
    roughness = smoothness * _roughness(half, spacing)
    lacking = jax.nn.relu(_NEARLY_FOLDED - jacobian_determinant(half))
    return difference + roughness + _FOLDING * jnp.mean(lacking)


def _masked_mean(differences: Array, level: _Level, displacement: Array) -> Array:
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
