"""Evolution strategies: function values instead of derivatives in a."""

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    AnyUpdate,
    BilevelProblem,
    Estimated,
    Hypergradient,
    HypergradientEstimator,
    Inner,
    Outer,
    Point,
    State,
    make_hypergradient,
)
from autoreg_jax.hypergrad._checks import Number, check_at_least, check_positive
from autoreg_jax.hypergrad._members import map_members
from autoreg_jax.hypergrad._trajectory import as_inner_update, descend
from autoreg_jax.hypergrad._trees import add_scale, gaussian_like, scale


def evolution_strategies(
    pairs: int, sigma: Number, steps: int, seed: int = 0
) -> HypergradientEstimator:
    """H = 1/(2σN) Σ_i ξ_i [F(a + σξ_i) − F(a − σξ_i)], F(a) = L_v(ω_K(a), a).

    An unbiased estimate of the gradient of F smoothed by a Gaussian of width σ, even
    for losses without a derivative in a. For nearly linear F the relative root mean
    square error is √((d + 1)/N) with d = dim(a): use it for a few loss weights only.
    Direct and indirect part are not separated: all of it is reported as indirect. On a
    mesh with an axis `members` (`jax.set_mesh`) its devices share the pairs.

    Diagnostics: `standard_error`, the norm of the standard error of the mean.

    Args:
        pairs: N > 1 antithetic pairs.
        sigma: σ > 0, in units of a.
        steps: K > 0 steps of the inner update from ω.
        seed: Seed of the perturbations.

    Returns:
        An estimator whose state is its number of calls.

    Raises:
        ValueError: If an argument is out of range.

    References:
        Salimans et al., 2017; Vicol et al., ICML 2021.
    """
    check_at_least(2, pairs=pairs)
    check_at_least(1, steps=steps)
    check_positive(sigma=sigma)

    def init(inner: Inner, outer: Outer) -> State:
        del inner, outer
        return jnp.zeros((), jnp.int32)

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        inner, outer, train_batch, valid_batch = point
        update = as_inner_update(inner_update)

        def loss_at(a: Outer) -> Array:
            start = update.begin(inner, a)
            omega, _ = descend(problem.inner_loss, update, start, a, train_batch, steps)
            return problem.outer_loss(omega, a, valid_batch)

        def one_pair(key: Array) -> tuple[Outer, Array]:
            noise = gaussian_like(key, outer)
            upper = loss_at(add_scale(outer, sigma, noise))
            lower = loss_at(add_scale(outer, -sigma, noise))
            slope = (upper - lower) / (2 * sigma)
            return sample_of(slope, noise), 0.5 * (upper + lower)

        key = jax.random.fold_in(jax.random.key(seed), state)
        samples, values = map_members(one_pair, jax.random.split(key, pairs))
        hyper = from_samples(samples, jnp.mean(values))
        return hyper, state + 1

    return HypergradientEstimator(init, estimate)


def sample_of(slope: Array, noise: Outer) -> Outer:
    """The noise times the slope, in the dtypes of the noise."""
    return optax.tree.cast_like(scale(slope, noise), noise)


def from_samples(samples: Outer, value: Array) -> Hypergradient:
    """The mean over the leading axis as an estimate, with its standard error."""
    mean = jax.tree.map(lambda x: jnp.mean(x, 0), samples)
    spread = jax.tree.map(lambda x: jnp.std(x, 0, ddof=1) / x.shape[0] ** 0.5, samples)
    zero = optax.tree.zeros_like(mean)
    return make_hypergradient(zero, mean, value, standard_error=optax.tree.norm(spread))
