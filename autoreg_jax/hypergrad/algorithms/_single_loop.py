"""Algorithms that move ω, z and a at once: SOBA, its moving average, and FSLA."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import BilevelProblem, Inner, Outer, Point
from autoreg_jax.hypergrad._trees import scale
from autoreg_jax.hypergrad.algorithms._algorithm import (
    Algorithm,
    AlgorithmState,
    Rate,
    Sampler,
    Varying,
)
from autoreg_jax.hypergrad.algorithms._steps import (
    Directions,
    as_optimizer,
    as_schedule,
    begin,
    directions,
    move,
)

Optimizers = tuple[optax.GradientTransformation, ...]


def soba(inner_rate: Rate, linear_rate: Rate, outer_rate: Rate) -> Algorithm:
    """Stochastic bilevel algorithm: one step of ω, z and a at once, on one draw.

        ω ← ω − ρ ∇_ω L_t,   z ← z − η (H z − ∇_ω L_v),   a ← a − γ (∂_a L_v − M z)

    All three at the old point. Each direction is unbiased for its own, also where they
    share a draw. With constant steps it reaches a neighbourhood of the optimum on
    noisy batches; with decreasing steps, the optimum.

    Diagnostics: `value`, L_v on the batch, `inner_norm`, `linear_norm`, `outer_norm` of
    the three directions.

    Args:
        inner_rate: ρ: a step size, an Optax schedule or transformation.
        linear_rate: η, likewise; stable below 2/L.
        outer_rate: γ, likewise.

    Returns:
        The algorithm; `memory["z"]` is the solution of the linear system.

    Raises:
        ValueError: If a step size is not positive.

    References:
        Dagréou et al., "A framework for bilevel optimization that enables stochastic
        and global variance reduction algorithms", NeurIPS 2022.
    """
    optimizers = three_optimizers(inner_rate, linear_rate, outer_rate)

    def step(
        problem: BilevelProblem, sampler: Sampler, state: AlgorithmState, key: Array
    ) -> tuple[AlgorithmState, dict[str, Array]]:
        found = directions(problem, _point(state, sampler(key)), state.memory["z"])
        return move_all(optimizers, state, found), norms_of(found)

    def init(problem: Any, sampler: Any, inner: Inner, outer: Outer) -> AlgorithmState:
        del problem, sampler
        return begin_all(optimizers, inner, outer)

    return Algorithm(init, step)


def ma_soba(
    inner_rate: Rate, linear_rate: Rate, outer_rate: Rate, average: Varying = 0.1
) -> Algorithm:
    """SOBA with a moving average h of the outer direction.

        a ← a − γ h,   h ← (1 − θ) h + θ (∂_a L_v − M z),   ω and z as in `soba`

    Diagnostics: those of `soba`; `outer_norm` is that of the direction, not of h.

    Args:
        inner_rate: ρ: a step size, an Optax schedule or transformation.
        linear_rate: η, likewise.
        outer_rate: γ, likewise.
        average: θ in (0, 1], a number or a schedule.

    Returns:
        The algorithm; `memory["average"]` is h, zero at first.

    Raises:
        ValueError: If a step size or `average` is not positive.

    References:
        Chen, Xiao and Balasubramanian, "Optimal algorithms for stochastic bilevel
        optimization under relaxed smoothness conditions", JMLR 2024.
    """
    optimizers = three_optimizers(inner_rate, linear_rate, outer_rate)
    weight = as_schedule(average=average)

    def step(
        problem: BilevelProblem, sampler: Sampler, state: AlgorithmState, key: Array
    ) -> tuple[AlgorithmState, dict[str, Array]]:
        found = directions(problem, _point(state, sampler(key)), state.memory["z"])
        mean, share = state.memory["average"], weight(state.step)
        new = move_all(optimizers, state, found._replace(outer=mean))
        mean = optax.tree.add(scale(1 - share, mean), scale(share, found.outer))
        return new._replace(memory=new.memory | {"average": mean}), norms_of(found)

    def init(problem: Any, sampler: Any, inner: Inner, outer: Outer) -> AlgorithmState:
        del problem, sampler
        zero = optax.tree.zeros_like(outer)
        return begin_all(optimizers, inner, outer, average=zero)

    return Algorithm(init, step)


def fsla(
    inner_rate: Rate, linear_rate: Rate, outer_rate: Rate, momentum: Varying = 0.1
) -> Algorithm:
    """Fully single loop algorithm: SOBA with a variance-reduced outer direction d.

        d ← h(x_t; B_t) + (1 − θ) (d − h(x_{t−1}; B_t)),   a ← a − γ d

    with h = ∂_a L_v − M z at x = (ω, z, a), the present and the previous one on the
    same draw: two more products for each step than `soba`.

    Diagnostics: those of `soba`; `outer_norm` is that of d.

    Args:
        inner_rate: ρ: a step size, an Optax schedule or transformation.
        linear_rate: η, likewise.
        outer_rate: γ, likewise.
        momentum: θ in (0, 1], a number or a schedule; 1 is `soba`.

    Returns:
        The algorithm; `memory` holds d as `average`, the previous x as `previous`.

    Raises:
        ValueError: If a step size or `momentum` is not positive.

    References:
        Li, Gu and Huang, "A Fully Single Loop Algorithm for Bilevel Optimization
        without Hessian Inverse", AAAI 2022.
    """
    optimizers = three_optimizers(inner_rate, linear_rate, outer_rate)
    weight = as_schedule(momentum=momentum)

    def step(
        problem: BilevelProblem, sampler: Sampler, state: AlgorithmState, key: Array
    ) -> tuple[AlgorithmState, dict[str, Array]]:
        memory, batches = state.memory, sampler(key)
        found = directions(problem, _point(state, batches), memory["z"])
        omega, z, a = memory["previous"]
        before = directions(problem, Point(omega, a, *batches), z).outer
        # Of the first step there is no previous one: d is h.
        share = jnp.where(state.step > 0, weight(state.step), 1.0)
        lag = optax.tree.sub(memory["average"], before)
        mean = optax.tree.add(found.outer, scale(1 - share, lag))
        found = found._replace(outer=mean)
        new = move_all(optimizers, state, found)
        kept = {"average": mean, "previous": (state.inner, memory["z"], state.outer)}
        return new._replace(memory=new.memory | kept), norms_of(found)

    def init(problem: Any, sampler: Any, inner: Inner, outer: Outer) -> AlgorithmState:
        del problem, sampler
        state = begin_all(optimizers, inner, outer)
        more = {
            "average": optax.tree.zeros_like(state.outer),
            "previous": (state.inner, state.memory["z"], state.outer),
        }
        return state._replace(memory=state.memory | more)

    return Algorithm(init, step)


def three_optimizers(
    inner_rate: Rate, linear_rate: Rate, outer_rate: Rate
) -> Optimizers:
    """Those of ω, z and a."""
    return (
        as_optimizer(inner_rate=inner_rate),
        as_optimizer(linear_rate=linear_rate),
        as_optimizer(outer_rate=outer_rate),
    )


def begin_all(
    optimizers: Optimizers, inner: Inner, outer: Outer, **memory: Any
) -> AlgorithmState:
    """The state before the first step, z = 0."""
    inner, outer = jax.tree.map(jnp.asarray, (inner, outer))
    z = optax.tree.zeros_like(inner)
    pairs = zip(optimizers, (inner, z, outer), strict=True)
    states = tuple(optimizer.init(at) for optimizer, at in pairs)
    return begin(inner, outer, z=z, optimizers=states, **memory)


def _point(state: AlgorithmState, batches: tuple[Any, Any]) -> Point:
    return Point(state.inner, state.outer, *batches)


def move_all(
    optimizers: Optimizers, state: AlgorithmState, found: Directions
) -> AlgorithmState:
    """One step of all three, from the old point."""
    z, states = state.memory["z"], state.memory["optimizers"]
    places = (state.inner, z, state.outer)
    steps = [
        move(*args) for args in zip(optimizers, found[:3], states, places, strict=True)
    ]
    (inner, z, outer), states = zip(*steps, strict=True)
    memory = state.memory | {"z": z, "optimizers": states}
    return AlgorithmState(inner, outer, state.step, memory)


def norms_of(found: Directions) -> dict[str, Array]:
    """The diagnostics of one draw."""
    return {
        "value": found.value,
        "inner_norm": optax.tree.norm(found.inner),
        "linear_norm": optax.tree.norm(found.linear),
        "outer_norm": optax.tree.norm(found.outer),
    }
