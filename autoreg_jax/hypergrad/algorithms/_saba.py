"""SABA: all directions of SOBA with the variance reduction of SAGA."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    BilevelProblem,
    Inner,
    Outer,
    Point,
    outer_gradient,
)
from autoreg_jax.hypergrad._meshes import row, with_row
from autoreg_jax.hypergrad._trees import add_scale
from autoreg_jax.hypergrad.algorithms._algorithm import (
    Algorithm,
    AlgorithmState,
    Rate,
    Sampler,
)
from autoreg_jax.hypergrad.algorithms._samplers import FiniteSum
from autoreg_jax.hypergrad.algorithms._single_loop import (
    begin_all,
    move_all,
    norms_of,
    three_optimizers,
)
from autoreg_jax.hypergrad.algorithms._steps import Directions, inner_products


def saba(inner_rate: Rate, linear_rate: Rate, outer_rate: Rate) -> Algorithm:
    """Stochastic average bilevel algorithm: SOBA with a table of all terms.

    Each of ∇_ω L_t, H z, M z, ∇_ω L_v and ∂_a L_v is g_i − t_i + mean(t) for the drawn
    batch i, whose row t_i of the table becomes g_i. The noise vanishes at the optimum,
    so that constant steps reach it, at a linear rate for strongly convex problems.

    Memory: (2 dim(ω) + dim(a)) n + (dim(ω) + dim(a)) m for n and m batches.

    Diagnostics: those of `soba`, of the reduced directions; `value` on the batch.

    Args:
        inner_rate: ρ: a step size, an Optax schedule or transformation.
        linear_rate: η, likewise.
        outer_rate: γ, likewise.

    Returns:
        The algorithm; its sampler has to be a `FiniteSum`, all of whose batches `init`
        evaluates once.

    Raises:
        ValueError: If a step size is not positive; in `init` and `step` if the sampler
            is no `FiniteSum`.

    References:
        Dagréou et al., "A framework for bilevel optimization that enables stochastic
        and global variance reduction algorithms", NeurIPS 2022.
    """
    optimizers = three_optimizers(inner_rate, linear_rate, outer_rate)

    def init(
        problem: BilevelProblem, sampler: Sampler, inner: Inner, outer: Outer
    ) -> AlgorithmState:
        data = _finite(sampler)
        state = begin_all(optimizers, inner, outer)
        counts = [jnp.arange(count) for count in data.counts]
        z = state.memory["z"]

        def train_row(index: Array) -> Any:
            point = Point(state.inner, state.outer, data.take(index, 0)[0])
            return inner_products(problem, point, z)

        def valid_row(index: Array) -> Any:
            batch = data.take(0, index)[1]
            point = Point(state.inner, state.outer, valid_batch=batch)
            return outer_gradient(problem, point)[1:]

        tables = jax.lax.map(train_row, counts[0]), jax.lax.map(valid_row, counts[1])
        means = jax.tree.map(lambda rows: jnp.mean(rows, axis=0), tables)
        more = {"tables": tables, "means": means}
        return state._replace(memory=state.memory | more)

    def step(
        problem: BilevelProblem, sampler: Sampler, state: AlgorithmState, key: Array
    ) -> tuple[AlgorithmState, dict[str, Array]]:
        data, memory = _finite(sampler), state.memory
        drawn = data.draw(key)
        point = Point(state.inner, state.outer, *data.take(*drawn))
        value, *upper = outer_gradient(problem, point)
        rows = inner_products(problem, point, memory["z"]), tuple(upper)
        reduced, tables, means = [], [], []
        for index, new, table, mean in zip(
            drawn, rows, memory["tables"], memory["means"], strict=True
        ):
            change = optax.tree.sub(new, row(table, index))
            reduced.append(optax.tree.add(change, mean))
            count = len(jax.tree.leaves(table)[0])
            means.append(add_scale(mean, 1 / count, change))
            tables.append(with_row(table, index, new))
        (slope, hessian, mixed), (cotangent, direct) = reduced
        linear, outer = (
            optax.tree.sub(hessian, cotangent),
            optax.tree.sub(direct, mixed),
        )
        found = Directions(slope, linear, outer, value)
        moved = move_all(optimizers, state, found)
        kept = {"tables": tuple(tables), "means": tuple(means)}
        return moved._replace(memory=moved.memory | kept), norms_of(found)

    return Algorithm(init, step)


def _finite(sampler: Sampler) -> FiniteSum:
    if isinstance(sampler, FiniteSum):
        return sampler
    raise ValueError(
        f"saba keeps a row for every batch: its sampler must be a FiniteSum, as "
        f"minibatches makes it, got {sampler!r}."
    )
