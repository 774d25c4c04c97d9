"""The nearest linear map that aligns two images best, by Levenberg-Marquardt."""

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
    voxel_positions,
)
from autoreg_jax.spatial import affine_exponential

# First damping, its factors after a good and a bad step, and the damping at which no
# shorter step is tried.
_DAMPING, _EASE, _TIGHTEN, _GIVE_UP = 1e-2, 0.2, 5.0, 1e4
_MAX_STEPS = 20
# The fast products of some accelerators keep three digits, too few for a map.
_product = partial(jnp.matmul, precision="highest")


class Equations(NamedTuple):
    """Loss of a map, and gradient `(k,)` and Gauss-Newton Hessian `(k, k)` there."""

    loss: Array
    gradient: Array
    hessian: Array


class State(NamedTuple):
    """What the iteration carries.

    Attributes:
        best: The best map.
        equations: Its normal equations.
        trial: The map to evaluate next.
        step_length: Of the step from `best` to `trial`, radii.
        damping: λ of Levenberg and Marquardt.
        num_steps: Evaluations so far.
        is_done: Whether another step would change nothing.
    """

    best: Array
    equations: Equations
    trial: Array
    step_length: Array
    damping: Array
    num_steps: Array
    is_done: Array


@partial(jax.jit, static_argnames="metric")
def optimise(
    level: Level,
    matrix: Float[Array, "d+1 d+1"],
    generators: Float[Array, "k d+1 d+1"],
    tolerance: Float[Array, ""],
    *,
    metric: str,
) -> tuple[Float[Array, "d+1 d+1"], Float[Array, ""]]:
    """Improve a map by Levenberg-Marquardt steps M ← M exp(Σ δ G).

    Args:
        level: The pair.
        matrix: Initial map.
        generators: Directions of the steps; a zero matrix disables a direction.
        tolerance: Length of the last step, radii.
        metric: "ncc" or "mi".

    Returns:
        The best map and its loss.
    """

    def is_unfinished(state: State) -> Array:
        return (state.num_steps < _MAX_STEPS) & ~state.is_done

    def step(state: State) -> State:
        # The trial is evaluated where the loop begins, so that it is compiled once.
        new = _normal_equations(level, state.trial, generators, metric)
        is_better = new.loss < state.equations.loss
        best, equations = jax.tree.map(
            lambda a, b: jnp.where(is_better, a, b),
            (state.trial, new),
            (state.best, state.equations),
        )
        damping = state.damping * jnp.where(is_better, _EASE, _TIGHTEN)
        diagonal = jnp.diag(equations.hessian)
        # A direction that is disabled, or changes nothing, stays where it is.
        floor = 1e-6 * jnp.max(diagonal) + 1e-20
        system = equations.hessian + jnp.diag(damping * diagonal + floor)
        delta = -jnp.linalg.solve(system, equations.gradient)
        change = jnp.sum(delta[:, None, None] * generators, 0)
        trial = _product(best, affine_exponential(change))
        is_done = (state.step_length < tolerance) | (damping > _GIVE_UP)
        length = jnp.linalg.norm(delta)
        is_done |= ~jnp.isfinite(length)
        return State(
            best, equations, trial, length, damping, state.num_steps + 1, is_done
        )

    num, infinite = len(generators), jnp.float32(jnp.inf)
    start = State(
        best=matrix,
        equations=Equations(infinite, jnp.zeros(num), jnp.zeros((num, num))),
        trial=matrix,
        step_length=infinite,
        damping=jnp.float32(_DAMPING),
        num_steps=jnp.int32(0),
        is_done=jnp.bool_(False),
    )
    end = jax.lax.while_loop(is_unfinished, step, start)
    return end.best, end.equations.loss


def _normal_equations(
    level: Level, matrix: Array, generators: Array, metric: str
) -> Equations:
    """Normal equations of M ← M (1 + Σ δ G), from those of all entries of a matrix."""
    size = len(matrix) - 1
    voxels = voxel_positions(level, matrix)
    values, pull, coverage = jax.vjp(
        partial(moving_values, level), voxels, has_aux=True
    )
    (slopes,) = pull(jnp.ones_like(values))
    (loss, curvature), change = jax.value_and_grad(
        lambda v: map_loss(level, matrix, v, coverage, metric), has_aux=True
    )(values)
    slopes = _product(slopes, _product(level.to_voxels, matrix)[:size, :size])
    homogeneous = jnp.pad(level.points, ((0, 0), (0, 1)), constant_values=1.0)
    rows = (slopes[:, :, None] * homogeneous[:, None, :]).reshape(len(values), -1)
    weights = level.weights * coverage
    mean = _product(weights, rows) / (jnp.sum(weights) + 1e-12)
    gradient = _product(change, rows)
    rows = (rows - mean[None]) * jnp.sqrt(weights)[:, None]
    hessian = curvature * _product(rows.T, rows)
    directions = generators[:, :size].reshape(len(generators), -1)
    return Equations(
        loss,
        _product(directions, gradient),
        _product(_product(directions, hessian), directions.T),
    )
