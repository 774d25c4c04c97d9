"""How well a map brings two images together, and the nearest map that does it best."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from autoreg_jax.losses import global_ncc, mutual_information
from autoreg_jax.ops import sample_linear
from autoreg_jax.spatial import affine_exponential, apply_affine

# Part of the fixed object that must lie in the field of view of the moving image; below
# it a map is the worse the less there is to compare.
_LEAST_OVERLAP = 0.4
_OVERLAP_PENALTY = 10.0
# Mean square stretch and volume ratio beyond which no map is tried.
_LARGEST_STRETCH, _SMALLEST_VOLUME = 2.0, 0.25
# Levenberg-Marquardt: first damping, factors after a good and a bad step, and the
# damping at which no shorter step is worth a try.
_DAMPING, _EASE, _TIGHTEN, _GIVE_UP = 1e-2, 0.2, 5.0, 1e4
_NUM_BINS = 24
# Points at which the many starts are compared, and starts compared at once.
_NUM_LOOKS, _CHUNK = 2048, 32


class Level(NamedTuple):
    """The pair at one resolution, in lengths of the radius of the fixed object.

    Attributes:
        points: Where the fixed image is looked at, from its centre, `(n, d)`.
        values: Its intensities there, in [0, 1], `(n,)`.
        weights: What each counts, 0 where there are fewer points than room, `(n,)`.
        is_object: 1 at points of the object, 0 beside it, `(n,)`.
        image: Moving image times its mask, and the mask, `(*space, 2)`.
        to_voxels: From positions about the centre of the moving image to its voxels,
            `(d + 1, d + 1)`.
    """

    points: Array
    values: Array
    weights: Array
    is_object: Array
    image: Array
    to_voxels: Array


class Quality(NamedTuple):
    """How well two images agree under a map.

    Attributes:
        correlation: Of all points, in [-1, 1].
        correlation_inside: Of the points of the object alone, so that its outline does
            not count.
        information_inside: What the intensities tell about each other there beyond
            chance, as the correlation of a Gaussian that tells as much, in [0, 1].
        overlap: Part of the fixed object inside of the moving image, in [0, 1].
    """

    correlation: Array
    correlation_inside: Array
    information_inside: Array
    overlap: Array


class Fit(NamedTuple):
    """Where a descent ended.

    Attributes:
        matrix: The map between the two frames.
        loss: Its loss.
        num_steps: Steps that were tried.
    """

    matrix: Array
    loss: Array
    num_steps: Array


@jax.jit
def quality(level: Level, matrix: Float[Array, "d+1 d+1"]) -> Quality:
    """Judge a map by measures that do not depend on the metric.

    Args:
        level: The pair.
        matrix: The map.

    Returns:
        Its quality; zeros where there is nothing to compare.
    """
    values, share = _look(level, matrix, level.points)
    every = level.weights * share
    inside = every * level.is_object

    def arrays(weights: Array, values: Array) -> list[Array]:
        return [x[None, :, None] for x in (level.values, values, weights)]

    # Points are in random order: the next one is another voxel by chance.
    told = mutual_information(*arrays(inside, values), num_bins=_NUM_BINS)[0]
    shuffled = arrays(inside, jnp.roll(values, 1))
    chance = mutual_information(*shuffled, num_bins=_NUM_BINS)[0]
    objects = level.weights * level.is_object
    return Quality(
        global_ncc(*arrays(every, values))[0],
        global_ncc(*arrays(inside, values))[0],
        jnp.sqrt(1 - jnp.exp(-2 * jax.nn.relu(told - chance))),
        jnp.sum(inside) / (jnp.sum(objects) + 1e-12),
    )


@partial(jax.jit, static_argnames="metric")
def losses_of(
    level: Level, matrices: Float[Array, "s d+1 d+1"], metric: str
) -> Float[Array, " s"]:
    """Loss of each of many maps.

    Args:
        level: The pair.
        matrices: The maps.
        metric: "ncc" or "mi".

    Returns:
        Losses, infinite for maps that are not admissible.
    """
    # In random order, so that the first are as good as any.
    few = {
        name: getattr(level, name)[:_NUM_LOOKS]
        for name in ("points", "values", "weights", "is_object")
    }
    level = level._replace(**few)

    def loss(matrix: Array) -> Array:
        values, share = _look(level, matrix, level.points)
        return _loss(level, matrix, values, share, metric)[0]

    return jax.lax.map(loss, matrices, batch_size=_CHUNK)


@partial(jax.jit, static_argnames=("metric", "max_steps"))
def descend(
    level: Level,
    matrix: Float[Array, "d+1 d+1"],
    generators: Float[Array, "k d+1 d+1"],
    tolerance: Float[Array, ""],
    *,
    metric: str,
    max_steps: int = 20,
) -> Fit:
    """Improve a map by Levenberg-Marquardt steps M ← M exp(Σ δ G).

    Args:
        level: The pair.
        matrix: Where to start.
        generators: Directions of the steps; a zero matrix is a direction not taken.
        tolerance: Length of a step at which it is enough, in radii.
        metric: "ncc" or "mi".
        max_steps: Largest number of evaluations.

    Returns:
        The best map that was met.
    """
    size = matrix.shape[-1] - 1
    directions = generators[:, :size].reshape(len(generators), -1)

    def normal(matrix: Array) -> tuple[Array, Array, Array]:
        loss, gradient, hessian = _normal_equations(level, matrix, metric)
        return loss, directions @ gradient, directions @ hessian @ directions.T

    def unfinished(state):
        return (state[-2] < max_steps) & ~state[-1]

    def step(state):
        # The trial is judged where the loop begins, so that it is compiled once.
        best, equations, trial, length, damping, count, _ = state
        new = normal(trial)
        is_better = new[0] < equations[0]
        best, equations = jax.tree.map(
            lambda a, b: jnp.where(is_better, a, b), (trial, new), (best, equations)
        )
        damping = damping * jnp.where(is_better, _EASE, _TIGHTEN)
        _, gradient, hessian = equations
        diagonal = jnp.diag(hessian)
        # A direction that is not taken, or changes nothing, stays where it is.
        floor = 1e-6 * jnp.max(diagonal) + 1e-20
        system = hessian + jnp.diag(damping * diagonal + floor)
        delta = -jnp.linalg.solve(system, gradient)
        trial = best @ affine_exponential(jnp.tensordot(delta, generators, 1))
        done = (length < tolerance) | (damping > _GIVE_UP)
        length = jnp.linalg.norm(delta)
        done |= ~jnp.isfinite(length)
        return best, equations, trial, length, damping, count + 1, done

    number, infinite = len(generators), jnp.float32(jnp.inf)
    nothing = infinite, jnp.zeros(number), jnp.zeros((number, number))
    start = (
        matrix,
        nothing,
        matrix,
        infinite,
        jnp.float32(_DAMPING),
        jnp.int32(0),
        False,
    )
    state = jax.lax.while_loop(unfinished, step, start)
    return Fit(state[0], state[1][0], state[-2])


def _look(level: Level, matrix: Array, points: Array) -> tuple[Array, Array]:
    """Moving intensities at the images of points, and how far they are inside."""
    voxels = apply_affine(level.to_voxels @ matrix, points)
    return _values(level, voxels)


def _values(level: Level, voxels: Array) -> tuple[Array, Array]:
    sampled = sample_linear(level.image[None], voxels[None])[0]
    share = sampled[:, 1]
    # Beside the mask there is no intensity rather than a dark one.
    return sampled[:, 0] / jnp.maximum(share, 1e-3), share


def _loss(
    level: Level, matrix: Array, values: Array, share: Array, metric: str
) -> tuple[Array, Array]:
    """The loss, and the curvature that a squared difference of intensity has in it."""
    weights = level.weights * jax.lax.stop_gradient(share)
    arrays = [x[None, :, None] for x in (level.values, values, weights)]
    total = jnp.sum(weights) + 1e-12
    spread = jnp.sum(weights * values**2) - jnp.sum(weights * values) ** 2 / total
    spread = jax.lax.stop_gradient(jnp.maximum(spread, 1e-6 * total))
    if metric == "ncc":
        loss = 1 - global_ncc(*arrays)[0]
        curvature = 1 / spread
    else:
        loss = -mutual_information(*arrays, num_bins=_NUM_BINS)[0]
        # What a Gaussian of that information would leave unexplained.
        curvature = jnp.exp(-2 * jax.lax.stop_gradient(loss)) / spread
    overlap = jnp.sum(weights) / (jnp.sum(level.weights) + 1e-12)
    loss += _OVERLAP_PENALTY * jax.nn.relu(_LEAST_OVERLAP - overlap)
    size = len(matrix) - 1
    linear = matrix[:size, :size]
    is_wild = jnp.linalg.det(linear) < _SMALLEST_VOLUME
    is_wild |= jnp.sum(linear**2) / size > _LARGEST_STRETCH**2
    return jnp.where(is_wild, jnp.inf, loss), curvature


def _normal_equations(
    level: Level, matrix: Array, metric: str
) -> tuple[Array, Array, Array]:
    """Loss, gradient and Gauss-Newton Hessian in the entries of δ, M ← M (1 + δ)."""
    size = len(matrix) - 1
    voxels = apply_affine(level.to_voxels @ matrix, level.points)
    values, pull, share = jax.vjp(partial(_values, level), voxels, has_aux=True)
    (slopes,) = pull(jnp.ones_like(values))
    (loss, curvature), change = jax.value_and_grad(
        lambda v: _loss(level, matrix, v, share, metric), has_aux=True
    )(values)
    slopes = slopes @ (level.to_voxels @ matrix)[:size, :size]
    homogeneous = jnp.pad(level.points, ((0, 0), (0, 1)), constant_values=1.0)
    rows = (slopes[:, :, None] * homogeneous[:, None, :]).reshape(len(values), -1)
    weights = level.weights * share
    mean = weights @ rows / (jnp.sum(weights) + 1e-12)
    gradient = change @ rows
    rows = (rows - mean[None]) * jnp.sqrt(weights)[:, None]
    return loss, gradient, curvature * (rows.T @ rows)
