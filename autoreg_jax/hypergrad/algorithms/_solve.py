"""Many steps of an algorithm as one program."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import Array

from autoreg_jax.hypergrad._base import BilevelProblem, Inner, Outer
from autoreg_jax.hypergrad._checks import check_at_least
from autoreg_jax.hypergrad._given import check_kind, check_problem, described
from autoreg_jax.hypergrad.algorithms._algorithm import (
    Algorithm,
    AlgorithmState,
    Sampler,
)


class Solution(NamedTuple):
    """What `solve` has found.

    Attributes:
        inner: ω behind the last step.
        outer: a behind the last step.
        state: State of the algorithm, from which `solve` can go on.
        trace: Diagnostics of the algorithm by name, and what was measured as
            `measure`, each leaf with a leading axis of records.
    """

    inner: Inner
    outer: Outer
    state: AlgorithmState
    trace: dict[str, Any]


def solve(
    problem: BilevelProblem,
    algorithm: Algorithm,
    sampler: Sampler,
    steps: int,
    key: Array,
    start: tuple[Inner, Outer] | AlgorithmState,
    *,
    measure: Callable[[Inner, Outer], Any] | None = None,
    every: int = 1,
) -> Solution:
    """Take steps of an algorithm, as one `jax.lax.scan`.

    Step t draws its batches with `fold_in(key, t)`, so that two calls of n steps, the
    second from the state of the first, are one call of 2n. Call it inside of
    `jax.jit` with static `steps`; the start may be donated. Seeds, step sizes and
    penalties may be mapped over by `jax.vmap`.

    Args:
        problem: The bilevel problem.
        algorithm: `soba`, `f2sa` or another, or one of your own.
        sampler: `key -> (train_batch, valid_batch)`: `minibatches`, `whole_batches` or
            a function of your own.
        steps: Number of steps, a multiple of `every`.
        key: Random key.
        start: ω and a, or the state of an earlier solution.
        measure: `(inner, outer) -> tree` of what the trace should hold besides, such
            as the loss on all data.
        every: Steps between two records of the trace.

    Returns:
        ω, a, the state and the trace, see `Solution`.

    Raises:
        ValueError: If `steps` or `every` is not positive, `steps` is no multiple of
            `every`, `key` is not one key, `start` neither a pair nor a state, or
            arguments are in another order; see `Algorithm` for more.

    Examples:
        >>> import jax.numpy as jnp
        >>> from autoreg_jax.hypergrad import BilevelProblem, soba, whole_batches
        >>> problem = BilevelProblem(  # ω* = a, so the optimum is a = 2
        ...     lambda w, a, b: 0.5 * (w - a) ** 2, lambda w, a, b: 0.5 * (w - 2) ** 2
        ... )
        >>> found = solve(
        ...     problem, soba(0.5, 0.5, 0.2), whole_batches(None, None), 200,
        ...     jax.random.key(0), (jnp.array(0.0), jnp.array(0.0)),
        ... )
        >>> round(float(found.outer), 4)
        2.0
    """
    check_problem(problem, BilevelProblem)
    check_kind("algorithm", algorithm, Algorithm)
    check_at_least(1, steps=steps, every=every)
    _check_key(key)
    if steps % every:
        raise ValueError(f"steps must be a multiple of every = {every}, got {steps}.")
    if not isinstance(start, AlgorithmState):
        if not isinstance(start, tuple) or len(start) != 2:
            raise ValueError(
                "start must be a tuple (inner, outer) or the state of an earlier "
                f"solution, its field `state`; found {described(start)}."
            )
        start = algorithm.init(problem, sampler, *start)

    def advance(state: AlgorithmState, _: None) -> tuple[AlgorithmState, Any]:
        own = jax.random.fold_in(key, state.step)
        return algorithm.step(problem, sampler, state, own)

    def record(state: AlgorithmState, _: None) -> tuple[AlgorithmState, Any]:
        if every > 1:
            state, _ = jax.lax.scan(
                lambda *args: (advance(*args)[0], None), state, None, length=every - 1
            )
        state, diagnostics = advance(state, None)
        more = {"measure": measure(state.inner, state.outer)} if measure else {}
        return state, dict(diagnostics) | more

    state, trace = jax.lax.scan(record, start, None, length=steps // every)
    return Solution(state.inner, state.outer, state, trace)


def _check_key(key: Any) -> None:
    try:
        jax.eval_shape(jax.random.bits, key)
    except (TypeError, ValueError):
        raise ValueError(
            "key must be one random key, as jax.random.key(0) makes it, found "
            f"{described(key)}. jax.vmap maps over several."
        ) from None
