"""Optimisation of the displacement of one pair, from coarse to fine."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from autoreg_jax.inference.optimisation._discrete import discrete_velocity
from autoreg_jax.inference.optimisation._guidance import Guidance
from autoreg_jax.inference.optimisation._level import (
    NUM_STEPS,
    WINDOW,
    Level,
    coarser_level,
    displacements,
    level_loss,
    masked_mean,
)
from autoreg_jax.inference.optimisation._optimise import descend
from autoreg_jax.losses import Objective, Similarity, find_similarity
from autoreg_jax.runtime import in_single_precision
from autoreg_jax.spatial import (
    gaussian_smooth,
    half_shape,
    integrate,
    resize_displacement,
    warp,
)

# Resolutions, and the width of the kernel that smooths the velocity, in its voxels.
_LEVELS, _WIDTH = 3, 0.6
# A step at full resolution costs eight times as much as one at half, and finds less.
_FINEST_SHARE = 3
# Weight of the roughness of the displacement.
SMOOTHNESS = 0.5
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
    moving: Float[Array, "1 *space c"],
    fixed: Float[Array, "1 *space c"],
    spacing: Float[Array, " d"],
    *,
    num_iterations: int,
    learning_rate: float = 0.1,
    smoothness: float = SMOOTHNESS,
    similarity: str | Similarity = Objective.similarity,
    fixed_mask: Float[Array, "1 *space 1"] | None = None,
    moving_mask: Float[Array, "1 *space 1"] | None = None,
    start: Float[Array, "1 *grid d"] | None = None,
    guidance: Guidance | None = None,
    coarsening: int = 0,
) -> Refined:
    """Find the displacement that brings a moving image onto a fixed one.

    Minimises mean(`Similarity.difference`) + w · mean |∇u|² + 20 · mean max(0, 0.1 −
    det ∇φ) by Adam over a velocity v, whose exponential is u, or what the start is
    composed with: φ = φ_start ∘ exp(v). v and the roughness are those of the grid of
    half resolution. What a level adds to v is a Gaussian kernel applied to the
    variable of Adam, so that each step is smooth. The images are used at a quarter of
    the resolution (without a start), then at half, then at full; each level starts from
    the best iterate of the previous one.

    A similarity with `features`, such as MIND, computes them once for each image. The
    default start is then a discrete search at a quarter of the resolution (without a
    mask of the moving image), and Adam descends at half of it only. The difference is
    divided by what the start leaves of it: the less two contrasts have in common, the
    smoother is the field.

    Args:
        moving: Intensities in [0, 1]; more than one channel if the similarity compares
            so many, see `losses.channel_similarity`.
        fixed: The same shape.
        spacing: Size of a voxel along each axis; the unit does not matter.
        num_iterations: Largest number of steps of each level, ≥ 1, of which full
            resolution takes a third; a level ends earlier if its loss is flat.
        learning_rate: Initial learning rate of Adam, in voxels of half resolution per
            step; it falls to zero.
        smoothness: The weight w of the roughness, u in units of `spacing`; ≥ 0.
        similarity: A name in `losses.SIMILARITIES`, or a `Similarity` of your own.
        fixed_mask: Weight of each voxel of the fixed image, 0 to 1; default: all 1.
        moving_mask: Weight of each voxel of the moving image, 0 to 1; it is warped with
            the image; default: all 1.
        start: Displacement `(1, *grid, d)`, such as that of a network, in voxels of any
            grid that covers the images; default: none.
        guidance: Structures, whose lost overlap is added, and landmarks, whose mean
            squared distance in voxels is added a hundredth; default: none.
        coarsening: How often the finest resolution is halved, ≥ 0: a step takes an
            eighth of the memory each time, and details are not followed. With 1 it ends
            where it would go on to full resolution.

    Returns:
        The best iterate at full resolution; the start, or no motion, if nothing was
        better.
    """
    space, weight = fixed.shape[1:-1], jnp.asarray(smoothness, fixed.dtype)
    if start is not None:
        start = resize_displacement(start, half_shape(space))
    pair = Level(fixed, moving, fixed_mask, moving_mask, start, spacing, guidance)
    for _ in range(coarsening):
        pair = coarser_level(pair)
    number = max(1, _LEVELS - (start is not None) - coarsening)
    compared = find_similarity(similarity)
    levels, velocity, compared = pair_levels(pair, compared, number)
    loss = rest_loss = jnp.zeros((), fixed.dtype)
    for level in reversed(levels):
        velocity = resize_displacement(velocity, half_shape(level.space))
        is_dear = len(levels) > 1 and level is levels[0] and not coarsening
        steps = -(-num_iterations // _FINEST_SHARE) if is_dear else num_iterations
        velocity, loss, rest_loss = _search(
            level,
            velocity,
            num_iterations=steps,
            learning_rate=learning_rate,
            smoothness=weight,
            similarity=compared,
        )
    velocity = resize_displacement(velocity, half_shape(space))
    displacement, _ = displacements(velocity, start, space)
    return Refined(velocity, displacement, rest_loss, loss)


def pair_levels(
    pair: Level, similarity: Similarity, number: int | None = None
) -> tuple[list[Level], Array, Similarity]:
    """The levels of a pair, finest first, and how they are compared.

    Args:
        pair: Images at full resolution; a start at half of it.
        similarity: What compares them.
        number: Of levels of images; default: three, two from a start.

    Returns:
        The levels, the velocity that the coarsest one begins with, and the similarity
        of what they hold.
    """
    if similarity.features is not None:
        level, velocity = _feature_start(pair, features=similarity.features)
        return [level], velocity, _SQUARES
    levels = [pair]
    number = _LEVELS - (pair.start is not None) if number is None else number
    while len(levels) < number:
        levels.append(coarser_level(levels[-1]))
    describe = jax.jit(similarity.describe)
    levels = [x._replace(fixed=describe(x.fixed)) for x in levels]
    coarsest = (1, *half_shape(levels[-1].space), len(pair.space))
    return levels, jnp.zeros(coarsest, pair.moving.dtype), similarity


def _squares(fixed: Array, moved: Array, window: int) -> Array:
    """Difference of features in each voxel."""
    del window
    return jnp.mean((fixed - moved) ** 2, axis=-1, keepdims=True)


_SQUARES = Similarity(
    lambda fixed, moved, window: jnp.mean(_squares(fixed, moved, window)),
    lambda fixed: fixed,
    _squares,
)


@partial(jax.jit, static_argnames="features")
def _feature_start(
    level: Level, *, features: Callable[[Array], Array]
) -> tuple[Level, Array]:
    """Features at half of the resolution, weighted, and the velocity to start from."""
    computed = level._replace(
        fixed=features(level.fixed), moving=features(level.moving)
    )
    level = coarser_level(computed)
    coarse = coarser_level(level)
    velocity = jnp.zeros(
        (*coarse.fixed.shape[:-1], coarse.fixed.ndim - 2), coarse.fixed.dtype
    )
    if coarse.moving_mask is None and level.start is None:
        velocity = discrete_velocity(coarse.fixed, coarse.moving, coarse.fixed_mask)
    displacement = integrate(velocity, NUM_STEPS, boundary="edge")
    if level.start is not None:
        displacement = resize_displacement(level.start, coarse.space)
    moved = warp(coarse.moving, displacement, boundary="edge")
    squares = _squares(coarse.fixed, moved, WINDOW)
    left = masked_mean(squares, coarse, displacement)
    if coarse.fixed_mask is not None:
        left = left / jnp.mean(coarse.fixed_mask)
    space = tuple(range(1, moved.ndim - 1))
    variances = jnp.var(coarse.fixed, space) + jnp.var(coarse.moving, space)
    weight = _FEATURES / (left + _FLOOR * jnp.mean(variances) + _SMALLEST_DIFFERENCE)
    fixed, moving = (weight**0.5 * x for x in (level.fixed, level.moving))
    return level._replace(fixed=fixed, moving=moving), velocity


def velocity_step(control: Array) -> Array:
    """What the variable of the descent adds to a velocity: it is smoothed."""
    return gaussian_smooth(control, _WIDTH)


@partial(jax.jit, static_argnames="similarity")
def _search(
    level: Level,
    start: Array,
    *,
    num_iterations: int | Array,
    learning_rate: float,
    smoothness: Array,
    similarity: Similarity,
) -> tuple[Array, Array, Array]:
    """The best velocity of a level, its loss, and that of the velocity zero."""

    def velocity_of(control: Array) -> Array:
        return start + velocity_step(control)

    found = descend(
        lambda control: level_loss(level, velocity_of(control), smoothness, similarity),
        jnp.zeros_like(start),
        jnp.zeros_like(start),
        num_iterations=num_iterations,
        learning_rate=learning_rate,
        eps=_SMALL_GRADIENT / math.prod(level.space),
        ends_early=True,
    )
    rest = jnp.zeros_like(start)
    rest_loss = level_loss(level, rest, smoothness, similarity)
    is_better = found.loss < rest_loss
    velocity = jnp.where(is_better, velocity_of(found.best), rest)
    return velocity, jnp.minimum(found.loss, rest_loss), rest_loss
