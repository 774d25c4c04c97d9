"""PZOBO: the response of ω to a by random differences, without second derivatives."""

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
from autoreg_jax.hypergrad._checks import Number, check_at_least, check_positive
from autoreg_jax.hypergrad._members import map_members
from autoreg_jax.hypergrad._trees import add_scale, gaussian_like, inner_product, scale
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


def pzobo(
    inner_steps: int,
    samples: int,
    inner_rate: Rate,
    outer_rate: Rate,
    sigma: Number = 1e-2,
) -> Algorithm:
    """Partial zeroth-order: only the response of ω to a is a difference.

        a ← a − γ {∂_a L_v + 1/Q Σ_j u_j ⟨ω_T(a + μ u_j) − ω_T(a), ∇_ω L_v⟩ / μ}

    with Gaussian u_j and T inner steps from one ω on the same batches. The relative
    noise of the sum is about √(dim(a) / Q); the limit μ → 0 of its mean is that of
    `unroll(T)`. On a mesh with an axis `members` its devices share the samples.

    Diagnostics: `value`, L_v on the batch; `outer_norm`.

    Args:
        inner_steps: T > 0.
        samples: Q > 0.
        inner_rate: ρ: a step size, an Optax schedule or transformation.
        outer_rate: γ, likewise.
        sigma: μ > 0, in units of a.

    Returns:
        The algorithm.

    Raises:
        ValueError: If an argument is not positive.

    References:
        Sow, Ji and Liang, "On the Convergence Theory for Hessian-Free Bilevel
        Algorithms", NeurIPS 2022.
    """
    check_at_least(1, inner_steps=inner_steps, samples=samples)
    check_positive(sigma=sigma)
    optimizers = two_optimizers(inner_rate, outer_rate)

    def step(
        problem: BilevelProblem, sampler: Sampler, state: AlgorithmState, key: Array
    ) -> tuple[AlgorithmState, dict[str, Array]]:
        moments, outer_moments = state.memory["optimizers"]
        keys, last, noises = jax.random.split(key, 3)
        keys = jax.random.split(keys, inner_steps)

        def trained(a: Outer) -> tuple[Inner, Any]:
            start = state.inner, moments
            return descent(problem, sampler, optimizers[0], start, a, keys)

        inner, moments_after = trained(state.outer)
        point = Point(inner, state.outer, None, sampler(last)[1])
        value, v, direct = outer_gradient(problem, point)

        def sample(key: Array) -> Outer:
            noise = gaussian_like(key, state.outer)
            moved, _ = trained(add_scale(state.outer, sigma, noise))
            response = inner_product(optax.tree.sub(moved, inner), v)
            return scale(response / sigma, noise)

        parts = map_members(sample, jax.random.split(noises, samples))
        indirect = jax.tree.map(lambda x: jnp.mean(x, axis=0), parts)
        direction = optax.tree.add(direct, indirect)
        outer, outer_moments = move(
            optimizers[1], direction, outer_moments, state.outer
        )
        memory = {"optimizers": (moments_after, outer_moments)}
        diagnostics = {"value": value, "outer_norm": optax.tree.norm(direction)}
        return AlgorithmState(inner, outer, state.step, memory), diagnostics

    def init(problem: Any, sampler: Any, inner: Inner, outer: Outer) -> AlgorithmState:
        del problem, sampler
        return begin_two(optimizers, inner, outer)

    return Algorithm(init, step)
