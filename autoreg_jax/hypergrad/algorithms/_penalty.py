"""First-order algorithms with a penalty on the value function: F2SA and BOME."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    Batch,
    BilevelProblem,
    Inner,
    Outer,
    Point,
    outer_gradient,
)
from autoreg_jax.hypergrad._checks import check_at_least
from autoreg_jax.hypergrad._trees import add_scale, inner_product
from autoreg_jax.hypergrad.algorithms._algorithm import (
    Algorithm,
    AlgorithmState,
    Rate,
    Sampler,
    Varying,
)
from autoreg_jax.hypergrad.algorithms._steps import (
    as_optimizer,
    as_schedule,
    begin,
    begin_two,
    descent,
    move,
    two_optimizers,
)


def f2sa(
    inner_steps: int, inner_rate: Rate, outer_rate: Rate, penalty: Varying
) -> Algorithm:
    """Fully first-order stochastic approximation, with a penalty that may grow.

        ω ← ω − ρ ∇_ω L_t(ω),   y ← y − ρ [∇_ω L_t(y) + ∇_ω L_v(y) / λ]   T times,
        a ← a − γ {∂_a L_v(y) + λ [∂_a L_t(y) − ∂_a L_t(ω)]}

    Both trajectories go on from step to step. The reference writes α λ for the ρ of y.
    The optimum has a bias of the order 1/λ; the step γ has to shrink as λ grows. Every
    inner step has a fresh batch of L_t, the same for ω and y, and the difference of the
    last line is taken on one batch: λ multiplies only the noise in which they differ.

    Diagnostics: `value`, L_v(y) on the batch; `penalty` λ; `distance` ‖y − ω‖;
    `outer_norm`.

    Args:
        inner_steps: T > 0 steps of each trajectory.
        inner_rate: ρ: a step size, an Optax schedule or transformation.
        outer_rate: γ, likewise.
        penalty: λ > 0, a number or a schedule of the count of steps.

    Returns:
        The algorithm; `memory["pulled"]` is y.

    Raises:
        ValueError: If `inner_steps`, a step size or `penalty` is not positive.

    References:
        Kwon et al., "A Fully First-Order Method for Stochastic Bilevel Optimization",
        ICML 2023.
    """
    check_at_least(1, inner_steps=inner_steps)
    optimizers = two_optimizers(inner_rate, outer_rate)
    schedule = as_schedule(penalty=penalty)

    def step(
        problem: BilevelProblem, sampler: Sampler, state: AlgorithmState, key: Array
    ) -> tuple[AlgorithmState, dict[str, Array]]:
        memory, outer, lam = state.memory, state.outer, schedule(state.step)
        steps, last = jax.random.split(key)
        keys = jax.random.split(steps, inner_steps)

        def penalised(omega: Inner, a: Outer, batches: tuple[Batch, Batch]) -> Array:
            train, valid = batches
            lower = problem.inner_loss(omega, a, train)
            return lower + problem.outer_loss(omega, a, valid) / lam

        moments, outer_moments = memory["optimizers"]
        inner, moments = descent(
            problem,
            sampler,
            optimizers[0],
            (state.inner, moments),
            outer,
            keys,
        )
        pulled, kept = descent(
            BilevelProblem(penalised, problem.outer_loss),
            lambda own: (sampler(own), None),
            optimizers[0],
            (memory["pulled"], memory["pulled_optimizer"]),
            outer,
            keys,
        )
        train, valid = sampler(last)
        value, _, direct = outer_gradient(problem, Point(pulled, outer, train, valid))
        slope = jax.grad(problem.inner_loss, argnums=1)
        difference = optax.tree.sub(
            slope(pulled, outer, train), slope(inner, outer, train)
        )
        direction = add_scale(direct, lam, difference)
        outer, outer_moments = move(optimizers[1], direction, outer_moments, outer)
        memory = {
            "optimizers": (moments, outer_moments),
            "pulled": pulled,
            "pulled_optimizer": kept,
        }
        diagnostics = {
            "value": value,
            "penalty": jnp.asarray(lam, value.dtype),
            "distance": optax.tree.norm(optax.tree.sub(pulled, inner)),
            "outer_norm": optax.tree.norm(direction),
        }
        return AlgorithmState(inner, outer, state.step, memory), diagnostics

    def init(problem: Any, sampler: Any, inner: Inner, outer: Outer) -> AlgorithmState:
        del problem, sampler
        state = begin_two(optimizers, inner, outer)
        more = {
            "pulled": state.inner,
            "pulled_optimizer": optimizers[0].init(state.inner),
        }
        return state._replace(memory=state.memory | more)

    return Algorithm(init, step)


def bome(
    inner_steps: int, inner_rate: Rate, rate: Rate, barrier: Varying = 0.5
) -> Algorithm:
    """Bilevel optimization made easy: descent on L_v under q = L_t(ω) − L_t(ω_T) ≤ 0.

        ω_T = T steps of descent on L_t from ω, held fixed,
        λ = max(η − ⟨∇L_v, ∇q⟩ / ‖∇q‖², 0),   (ω, a) ← (ω, a) − ξ (∇L_v + λ ∇q)

    with gradients in ω and a together. The multiplier makes q decrease at least as fast
    as η ‖∇q‖². The analysis is for losses without noise: on small batches λ is that of
    the batch.

    Diagnostics: `value`, L_v on the batch; `multiplier` λ; `gap` q; `outer_norm`, of
    the direction of a.

    Args:
        inner_steps: T > 0.
        inner_rate: Step size of the trajectory, an Optax schedule or transformation,
            which begins anew in each step.
        rate: ξ of ω and a together, likewise.
        barrier: η > 0, a number or a schedule of the count of steps.

    Returns:
        The algorithm.

    Raises:
        ValueError: If `inner_steps`, a step size or `barrier` is not positive.

    References:
        Liu et al., "BOME! Bilevel Optimization Made Easy: A Simple First-Order
        Approach", NeurIPS 2022.
    """
    check_at_least(1, inner_steps=inner_steps)
    inner_optimizer, optimizer = (
        as_optimizer(inner_rate=inner_rate),
        as_optimizer(rate=rate),
    )
    schedule = as_schedule(barrier=barrier)

    def step(
        problem: BilevelProblem, sampler: Sampler, state: AlgorithmState, key: Array
    ) -> tuple[AlgorithmState, dict[str, Array]]:
        steps, last = jax.random.split(key)
        at = state.inner, state.outer
        target, _ = descent(
            problem,
            sampler,
            inner_optimizer,
            (state.inner, inner_optimizer.init(state.inner)),
            state.outer,
            jax.random.split(steps, inner_steps),
        )
        train, valid = sampler(last)
        value, *upper = outer_gradient(problem, Point(*at, train, valid))

        def gap(omega: Inner, a: Outer) -> Array:
            fixed = problem.inner_loss(target, a, train)
            return problem.inner_loss(omega, a, train) - fixed

        q, slope = jax.value_and_grad(gap, argnums=(0, 1))(*at)
        square, upper = inner_product(slope, slope), tuple(upper)
        is_moving = square > 0
        share = inner_product(upper, slope) / jnp.where(is_moving, square, 1.0)
        lam = jnp.maximum(schedule(state.step) - share, 0.0)
        direction = add_scale(upper, lam, slope)
        (inner, outer), moments = move(
            optimizer, direction, state.memory["optimizer"], at
        )
        diagnostics = {
            "value": value,
            "multiplier": lam,
            "gap": q,
            "outer_norm": optax.tree.norm(direction[1]),
        }
        new = AlgorithmState(inner, outer, state.step, {"optimizer": moments})
        return new, diagnostics

    def init(problem: Any, sampler: Any, inner: Inner, outer: Outer) -> AlgorithmState:
        del problem, sampler
        state = begin(inner, outer)
        moments = optimizer.init((state.inner, state.outer))
        return state._replace(memory={"optimizer": moments})

    return Algorithm(init, step)
