"""Algorithms with loops for ω and for the linear system: stocBiO and AmIGO."""

from typing import Any

import jax
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    BilevelProblem,
    Inner,
    Outer,
    Point,
    outer_gradient,
)
from autoreg_jax.hypergrad._checks import Number, check_at_least, check_positive
from autoreg_jax.hypergrad._trees import add_scale, scale
from autoreg_jax.hypergrad.algorithms._algorithm import (
    Algorithm,
    AlgorithmState,
    Rate,
    Sampler,
)
from autoreg_jax.hypergrad.algorithms._steps import (
    as_optimizer,
    begin_two,
    descend,
    finish,
    inner_products,
    move,
    two_optimizers,
)


def stocbio(
    inner_steps: int,
    terms: int,
    inner_rate: Rate,
    linear_rate: Number,
    outer_rate: Rate,
) -> Algorithm:
    """Inner steps, then a Neumann series whose factors have batches of their own.

        z = η Σ_{q=0..Q} Π_{j≤q} (I − η H(B_j)) ∇_ω L_v(ω; B),
        a ← a − γ (∂_a L_v − M z)

    One batch in all factors would bias the mean, for the mean of a power is not the
    power of the mean: 1.8 % were measured on a small regression.

    Diagnostics: `value`, L_v on the batch; `linear_norm` ‖z‖, `outer_norm`.

    Args:
        inner_steps: T > 0 steps of ω, each on a fresh batch.
        terms: Q ≥ 0 factors, each on a fresh batch.
        inner_rate: ρ: a step size, an Optax schedule or transformation.
        linear_rate: η > 0, below 2/L.
        outer_rate: γ: a step size, an Optax schedule or transformation.

    Returns:
        The algorithm.

    Raises:
        ValueError: If an argument is out of range.

    References:
        Ji, Yang and Liang, "Bilevel Optimization: Convergence Analysis and Enhanced
        Design", ICML 2021.
    """
    check_at_least(1, inner_steps=inner_steps)
    check_at_least(0, terms=terms)
    check_positive(linear_rate=linear_rate)
    optimizers = two_optimizers(inner_rate, outer_rate)

    def solve(
        problem: BilevelProblem, sampler: Sampler, point: Point, v: Inner, keys: Array
    ) -> Inner:
        def body(carry: Any, key: Array) -> tuple[Any, None]:
            term, total = carry
            own = point._replace(train_batch=sampler(key)[0])
            _, product, _ = inner_products(problem, own, term)
            term = add_scale(term, -linear_rate, product)
            return (term, optax.tree.add(total, term)), None

        (_, total), _ = jax.lax.scan(body, (v, v), keys)
        return scale(linear_rate, total)

    def step(
        problem: BilevelProblem, sampler: Sampler, state: AlgorithmState, key: Array
    ) -> tuple[AlgorithmState, dict[str, Array]]:
        keys = jax.random.split(key, inner_steps + terms + 2)
        steps, factors, (last, final) = (
            keys[:inner_steps],
            keys[inner_steps:-2],
            keys[-2:],
        )
        inner, outer, moments = descend(optimizers, problem, sampler, state, steps)
        point = Point(inner, outer, sampler(final)[0], sampler(last)[1])
        value, v, direct = outer_gradient(problem, point)
        z = solve(problem, sampler, point, v, factors)
        return finish(optimizers, problem, state, point, z, moments, value, direct)

    def init(problem: Any, sampler: Any, inner: Inner, outer: Outer) -> AlgorithmState:
        del problem, sampler
        return begin_two(optimizers, inner, outer)

    return Algorithm(init, step)


def amigo(
    inner_steps: int,
    linear_steps: int,
    inner_rate: Rate,
    linear_rate: Rate,
    outer_rate: Rate,
) -> Algorithm:
    """Inner steps and steps on the linear system, both going on where they stopped.

        ω ← ω − ρ ∇_ω L_t   T times,   z ← z − η (H z − ∇_ω L_v)   M times,
        a ← a − γ (∂_a L_v − M z)

    Every step has a fresh batch of L_t; ∇_ω L_v is of one batch in each iteration.

    Diagnostics: `value`, L_v on the batch; `linear_norm` ‖z‖, `outer_norm`.

    Args:
        inner_steps: T > 0.
        linear_steps: M > 0.
        inner_rate: ρ: a step size, an Optax schedule or transformation.
        linear_rate: η, likewise; stable below 2/L.
        outer_rate: γ, likewise.

    Returns:
        The algorithm; `memory["z"]` is the solution of the linear system.

    Raises:
        ValueError: If an argument is not positive.

    References:
        Arbel and Mairal, "Amortized Implicit Differentiation for Stochastic Bilevel
        Optimization", ICLR 2022.
    """
    check_at_least(1, inner_steps=inner_steps, linear_steps=linear_steps)
    optimizers = two_optimizers(inner_rate, outer_rate)
    linear = as_optimizer(linear_rate=linear_rate)

    def solve(
        problem: BilevelProblem,
        sampler: Sampler,
        point: Point,
        v: Inner,
        start: tuple[Inner, Any],
        keys: Array,
    ) -> tuple[Inner, Any]:
        def body(carry: Any, key: Array) -> tuple[Any, None]:
            z, moments = carry
            own = point._replace(train_batch=sampler(key)[0])
            _, product, _ = inner_products(problem, own, z)
            return move(linear, optax.tree.sub(product, v), moments, z), None

        return jax.lax.scan(body, start, keys)[0]

    def step(
        problem: BilevelProblem, sampler: Sampler, state: AlgorithmState, key: Array
    ) -> tuple[AlgorithmState, dict[str, Array]]:
        keys = jax.random.split(key, inner_steps + linear_steps + 2)
        steps, products = keys[:inner_steps], keys[inner_steps:-2]
        inner, outer, moments = descend(optimizers, problem, sampler, state, steps)
        point = Point(inner, outer, sampler(keys[-1])[0], sampler(keys[-2])[1])
        value, v, direct = outer_gradient(problem, point)
        start = state.memory["z"], state.memory["linear"]
        z, kept = solve(problem, sampler, point, v, start, products)
        new, diagnostics = finish(
            optimizers, problem, state, point, z, moments, value, direct
        )
        memory = new.memory | {"z": z, "linear": kept}
        return new._replace(memory=memory), diagnostics

    def init(problem: Any, sampler: Any, inner: Inner, outer: Outer) -> AlgorithmState:
        del problem, sampler
        state = begin_two(optimizers, inner, outer)
        z = optax.tree.zeros_like(state.inner)
        more = {"z": z, "linear": linear.init(z)}
        return state._replace(memory=state.memory | more)

    return Algorithm(init, step)
