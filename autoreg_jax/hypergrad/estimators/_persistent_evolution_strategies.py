"""Evolution strategies over truncated unrolls, without truncation bias."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    BilevelProblem,
    Hypergradient,
    HypergradientEstimator,
    Inner,
    InnerUpdate,
    Outer,
    Point,
    State,
    UpdateFn,
)
from autoreg_jax.hypergrad._inner_update import as_inner_update
from autoreg_jax.hypergrad._trajectory import descend
from autoreg_jax.hypergrad._tree import gaussian_like
from autoreg_jax.hypergrad.estimators._evolution_strategies import (
    from_samples,
    sample_of,
)


class Particles(NamedTuple):
    """State of N antithetic pairs, each leaf with a leading axis of N.

    Attributes:
        upper: (ω, optimizer state) of the particles at a + σξ.
        lower: The same at a − σξ.
        accumulated: Σ ξ over the truncations so far, trees like a.
        step: Number of calls, int32 scalar.
    """

    upper: Any
    lower: Any
    accumulated: Outer
    step: Array


def persistent_evolution_strategies(
    pairs: int,
    sigma: float,
    steps: int,
    seed: int = 0,
    *,
    optimizer_state: State = (),
) -> HypergradientEstimator:
    """h_t = 1/(2σN) Σ_i (Σ_{τ≤t} ξ_iτ) [F_t(a + σξ_it) − F_t(a − σξ_it)].

    The particles continue to train from call to call, K steps each, so the sum of the
    estimates over calls is unbiased for the smoothed gradient of Σ_t L_v(ω_{tK}(a), a).
    Call `init` again when an inner problem ends. Only `init` uses the given ω; later
    the particles have their own. The whole estimate is reported as indirect.

    Args:
        pairs: N > 1 antithetic pairs.
        sigma: σ > 0, in units of a.
        steps: K > 0 inner steps for each call.
        seed: Seed of the perturbations.
        optimizer_state: State of the optimizer of ω at the start.

    Returns:
        An estimator whose state is its particles; diagnostic `standard_error`.

    Raises:
        ValueError: If an argument is out of range.

    References:
        Vicol et al., "Unbiased Gradient Estimation in Unrolled Computation Graphs with
        Persistent Evolution Strategies", ICML 2021.
    """
    if pairs < 2 or sigma <= 0 or steps < 1:
        raise ValueError(
            "pairs must be at least 2, sigma and steps positive, got "
            f"{pairs}, {sigma}, {steps}."
        )

    def init(inner: Inner, outer: Outer) -> State:
        def repeat(tree: Any) -> Any:
            return jax.tree.map(
                lambda x: jnp.broadcast_to(x, (pairs, *jnp.shape(x))), tree
            )

        start = repeat((inner, optimizer_state))
        zero = repeat(optax.tree.zeros_like(outer))
        return Particles(start, start, zero, jnp.zeros((), jnp.int32))

    def estimate(
        problem: BilevelProblem,
        state: State,
        point: Point,
        *,
        inner_update: InnerUpdate | UpdateFn,
    ) -> tuple[Hypergradient, State]:
        _, outer, train_batch, valid_batch = point
        update = as_inner_update(inner_update)

        def run(start: Any, a: Outer) -> tuple[Any, Array]:
            end = descend(problem.inner_loss, update, start, a, train_batch, steps)
            return end, problem.outer_loss(end[0], a, valid_batch)

        def one_pair(args: Any) -> Any:
            key, upper, lower, accumulated = args
            noise = gaussian_like(key, outer)
            upper, high = run(upper, optax.tree.add_scale(outer, sigma, noise))
            lower, low = run(lower, optax.tree.add_scale(outer, -sigma, noise))
            accumulated = optax.tree.add(accumulated, noise)
            slope = (high - low) / (2 * sigma)
            sample = sample_of(slope, accumulated)
            return upper, lower, accumulated, sample, 0.5 * (high + low)

        key = jax.random.fold_in(jax.random.key(seed), state.step)
        keys = jax.random.split(key, pairs)
        upper, lower, accumulated, samples, values = jax.lax.map(
            one_pair, (keys, state.upper, state.lower, state.accumulated)
        )
        new = Particles(upper, lower, accumulated, state.step + 1)
        return from_samples(samples, jnp.mean(values)), new

    return HypergradientEstimator(init, estimate)
