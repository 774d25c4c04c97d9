"""TTSA: two time scales, and a series cut at a random length."""

from typing import Any

import jax
import jax.numpy as jnp
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
    begin_two,
    descend,
    finish,
    inner_products,
    two_optimizers,
)


def ttsa(
    terms: int, inner_rate: Rate, linear_rate: Number, outer_rate: Rate
) -> Algorithm:
    """One inner step, then a Neumann series of which one random term is taken.

        z = K η Π_{j<p} (I − η H(B_j)) ∇_ω L_v,   p uniform in 0..K − 1,

    whose mean is the series of K terms; the variance grows with K. The two time scales
    are those of the rates: the theory has ρ ∝ t^(−2/5) and γ ∝ t^(−3/5).

    Diagnostics: `value`, L_v on the batch; `linear_norm` ‖z‖, `outer_norm`.

    Args:
        terms: K > 0.
        inner_rate: ρ: a step size, an Optax schedule or transformation.
        linear_rate: η > 0, below 2/L.
        outer_rate: γ: a step size, an Optax schedule or transformation.

    Returns:
        The algorithm.

    Raises:
        ValueError: If an argument is not positive.

    References:
        Hong et al., "A Two-Timescale Stochastic Algorithm Framework for Bilevel
        Optimization", SIAM Journal on Optimization 2023.
    """
    check_at_least(1, terms=terms)
    check_positive(linear_rate=linear_rate)
    optimizers = two_optimizers(inner_rate, outer_rate)

    def step(
        problem: BilevelProblem, sampler: Sampler, state: AlgorithmState, key: Array
    ) -> tuple[AlgorithmState, dict[str, Array]]:
        keys = jax.random.split(key, terms + 2)
        inner, outer, moments = descend(optimizers, problem, sampler, state, keys[:1])
        point = Point(inner, outer, sampler(keys[1])[0], sampler(keys[1])[1])
        value, v, direct = outer_gradient(problem, point)
        length = jax.random.randint(keys[2], (), 0, terms)

        def body(term: Inner, own: Any) -> tuple[Inner, None]:
            index, key = own
            fresh = point._replace(train_batch=sampler(key)[0])
            _, product, _ = inner_products(problem, fresh, term)
            rate = jnp.where(index < length, linear_rate, 0.0)
            return add_scale(term, -rate, product), None

        factors = jnp.arange(terms - 1), keys[3:]
        z = scale(terms * linear_rate, jax.lax.scan(body, v, factors)[0])
        return finish(optimizers, problem, state, point, z, moments, value, direct)

    def init(problem: Any, sampler: Any, inner: Inner, outer: Outer) -> AlgorithmState:
        del problem, sampler
        return begin_two(optimizers, inner, outer)

    return Algorithm(init, step)
