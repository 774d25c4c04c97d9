"""The nearest linear map that brings two images together best."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from autoreg_jax.alignment._similarity import (
    Level,
    map_loss,
    moving_values,
    places,
)
from autoreg_jax.spatial import affine_exponential

# Levenberg-Marquardt: first damping, factors after a good and a bad step, and the
# damping at which no shorter step is worth a try.
_DAMPING, _EASE, _TIGHTEN, _GIVE_UP = 1e-2, 0.2, 5.0, 1e4
# The fast products of some accelerators keep three digits, too few for a map.
_product = partial(jnp.matmul, precision="highest")


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
        return (
            loss,
            _product(directions, gradient),
            _product(_product(directions, hessian), directions.T),
        )

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
        change = jnp.sum(delta[:, None, None] * generators, 0)
        trial = _product(best, affine_exponential(change))
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


def _normal_equations(
    level: Level, matrix: Array, metric: str
) -> tuple[Array, Array, Array]:
    """Loss, gradient and Gauss-Newton Hessian in the entries of δ, M ← M (1 + δ)."""
    size = len(matrix) - 1
    voxels = places(level, matrix)
    values, pull, share = jax.vjp(partial(moving_values, level), voxels, has_aux=True)
    (slopes,) = pull(jnp.ones_like(values))
    (loss, curvature), change = jax.value_and_grad(
        lambda v: map_loss(level, matrix, v, share, metric), has_aux=True
    )(values)
    slopes = _product(slopes, _product(level.to_voxels, matrix)[:size, :size])
    homogeneous = jnp.pad(level.points, ((0, 0), (0, 1)), constant_values=1.0)
    rows = (slopes[:, :, None] * homogeneous[:, None, :]).reshape(len(values), -1)
    weights = level.weights * share
    mean = _product(weights, rows) / (jnp.sum(weights) + 1e-12)
    gradient = _product(change, rows)
    rows = (rows - mean[None]) * jnp.sqrt(weights)[:, None]
    return loss, gradient, curvature * _product(rows.T, rows)
