"""Alternation of inner steps with steps along the estimate of any estimator."""

from typing import Any

import jax
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    BilevelProblem,
    HypergradientEstimator,
    Inner,
    Outer,
    Point,
)
from autoreg_jax.hypergrad._checks import check_at_least
from autoreg_jax.hypergrad._given import check_kind
from autoreg_jax.hypergrad._trajectory import from_optax
from autoreg_jax.hypergrad.algorithms._algorithm import (
    Algorithm,
    AlgorithmState,
    Rate,
    Sampler,
)
from autoreg_jax.hypergrad.algorithms._steps import (
    begin_two,
    descent,
    move,
    two_optimizers,
)


def alternating(
    estimator: HypergradientEstimator,
    inner_rate: Rate,
    outer_rate: Rate,
    inner_steps: int | None = 1,
) -> Algorithm:
    """One step of a along the estimate, then T steps of ω on fresh batches.

    With `one_step_unroll()` this is the search of DARTS, with
    `preconditioned_identity()` SAMA, with `warm_started_linear_system` a deterministic
    AmIGO. With `inner_steps=None` ω goes on where the steps of the estimate have ended,
    so that `unroll(K)` takes K inner gradients for each step of a and not 2K.

    Diagnostics: `value` and `outer_norm`, and those of the estimator.

    Args:
        estimator: Any estimator; one for stacked batches needs a sampler of such.
        inner_rate: Step size of ω, an Optax schedule or transformation; the estimator
            differentiates through its state.
        outer_rate: Step size of a, likewise.
        inner_steps: T > 0, or None.

    Returns:
        The algorithm; `memory["estimator"]` is the state of the estimator.

    Raises:
        ValueError: If `inner_steps` or a step size is not positive or `estimator` is
            none; in `step` if `inner_steps` is None for one that takes no steps.
    """
    check_kind("estimator", estimator, HypergradientEstimator)
    if inner_steps is not None:
        check_at_least(1, inner_steps=inner_steps)
    optimizers = two_optimizers(inner_rate, outer_rate)

    def step(
        problem: BilevelProblem, sampler: Sampler, state: AlgorithmState, key: Array
    ) -> tuple[AlgorithmState, dict[str, Array]]:
        moments, outer_moments = state.memory["optimizers"]
        first, rest = jax.random.split(key)
        hyper, carried = estimator.estimate(
            problem,
            state.memory["estimator"],
            Point(state.inner, state.outer, *sampler(first)),
            inner_update=from_optax(optimizers[0], moments),
        )
        outer, outer_moments = move(
            optimizers[1], hyper.grad, outer_moments, state.outer
        )
        if inner_steps is not None:
            keys = jax.random.split(rest, inner_steps)
            start = state.inner, moments
            inner, moments = descent(
                problem, sampler, optimizers[0], start, outer, keys
            )
        elif hyper.end is not None:
            inner, moments = hyper.end
        else:
            raise ValueError(
                "inner_steps=None goes on where the steps of the estimate have ended, "
                "and this estimator takes none: set inner_steps to a number."
            )
        memory = {"optimizers": (moments, outer_moments), "estimator": carried}
        diagnostics = dict(hyper.diagnostics) | {
            "value": hyper.value,
            "outer_norm": optax.tree.norm(hyper.grad),
        }
        return AlgorithmState(inner, outer, state.step, memory), diagnostics

    def init(problem: Any, sampler: Any, inner: Inner, outer: Outer) -> AlgorithmState:
        del problem, sampler
        state = begin_two(optimizers, inner, outer)
        more = {"estimator": estimator.init(state.inner, state.outer)}
        return state._replace(memory=state.memory | more)

    return Algorithm(init, step)
