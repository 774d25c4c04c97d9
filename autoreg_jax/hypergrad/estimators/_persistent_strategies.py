"""Evolution strategies whose particles train on from call to call."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    AnyUpdate,
    BilevelProblem,
    Estimated,
    HypergradientEstimator,
    Inner,
    Outer,
    Point,
    State,
)
from autoreg_jax.hypergrad._checks import Number, check_at_least, check_positive
from autoreg_jax.hypergrad._members import map_members
from autoreg_jax.hypergrad._trajectory import descend, without_start
from autoreg_jax.hypergrad._trees import add_scale, gaussian_like
from autoreg_jax.hypergrad.estimators._evolution_strategies import (
    from_samples,
    sample_of,
)


class Particles(NamedTuple):
    """State of N antithetic pairs, each leaf with a leading axis of N.

    Attributes:
        upper: (ω, optimizer state) of the particles at a + σξ.
        lower: The same at a − σξ.
        accumulated: Σ ξ over the truncations so far, trees like a; ξ if it is reused.
        step: Number of calls, int32 scalar.
    """

    upper: Any
    lower: Any
    accumulated: Outer
    step: Array


def persistent_evolution_strategies(
    pairs: int,
    sigma: Number,
    steps: int,
    seed: int = 0,
    *,
    optimizer_state: State = (),
) -> HypergradientEstimator:
    """h_t = 1/(2σN) Σ_i (Σ_{τ≤t} ξ_iτ) [F_t(a + σξ_it) − F_t(a − σξ_it)].

    The particles continue to train from call to call, K steps each, so the sum of the
    estimates over calls is unbiased for the smoothed gradient of Σ_t L_v(ω_{tK}(a), a).
    Call `init` again when an inner problem ends. Only `init` uses the given ω; later
    the particles have their own. The whole estimate is reported as indirect. On a mesh
    with an axis `members` (`jax.set_mesh`) its devices share the particles.

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
    return _particles(pairs, sigma, steps, seed, optimizer_state, reuse=False)


def noise_reuse_evolution_strategies(
    pairs: int,
    sigma: Number,
    steps: int,
    seed: int = 0,
    *,
    optimizer_state: State = (),
) -> HypergradientEstimator:
    """h_t = 1/(2σN) Σ_i ξ_i [F_t(a + σξ_i) − F_t(a − σξ_i)], one ξ_i for all calls.

    As `persistent_evolution_strategies`, but each particle keeps its perturbation until
    `init` is called: the same mean, while the variance of the sum over an inner problem
    does not grow with the number of calls. Give each inner problem a seed of its own.

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
        Li et al., "Noise-Reuse in Online Evolution Strategies" (NRES), NeurIPS 2023;
        Vicol, "Low-Variance Gradient Estimation in Unrolled Computation Graphs with
        ES-Single", ICML 2023.
    """
    return _particles(pairs, sigma, steps, seed, optimizer_state, reuse=True)


def _particles(
    pairs: int,
    sigma: Number,
    steps: int,
    seed: int,
    optimizer_state: State,
    *,
    reuse: bool,
) -> HypergradientEstimator:
    check_at_least(2, pairs=pairs)
    check_at_least(1, steps=steps)
    check_positive(sigma=sigma)
    name = "noise_reuse" if reuse else "persistent"

    def init(inner: Inner, outer: Outer) -> State:
        def repeat(tree: Any) -> Any:
            return jax.tree.map(
                lambda x: jnp.broadcast_to(x, (pairs, *jnp.shape(x))), tree
            )

        start = repeat((inner, optimizer_state))
        zero = repeat(optax.tree.zeros_like(outer))
        return Particles(start, start, zero, jnp.zeros((), jnp.int32))

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        _, outer, train_batch, valid_batch = point
        update = without_start(inner_update, f"{name}_evolution_strategies")

        def run(start: Any, a: Outer) -> tuple[Any, Array]:
            end = descend(problem.inner_loss, update, start, a, train_batch, steps)
            return end, problem.outer_loss(end[0], a, valid_batch)

        def one_pair(args: Any) -> Any:
            key, upper, lower, accumulated = args
            noise = gaussian_like(key, outer)
            upper, high = run(upper, add_scale(outer, sigma, noise))
            lower, low = run(lower, add_scale(outer, -sigma, noise))
            accumulated = noise if reuse else optax.tree.add(accumulated, noise)
            slope = (high - low) / (2 * sigma)
            sample = sample_of(slope, accumulated)
            return upper, lower, accumulated, sample, 0.5 * (high + low)

        count = 0 if reuse else state.step
        key = jax.random.fold_in(jax.random.key(seed), count)
        keys = jax.random.split(key, pairs)
        upper, lower, accumulated, samples, values = map_members(
            one_pair, (keys, state.upper, state.lower, state.accumulated)
        )
        new = Particles(upper, lower, accumulated, state.step + 1)
        return from_samples(samples, jnp.mean(values)), new

    return HypergradientEstimator(init, estimate)
