"""Agreement of estimates with a reference; noise over batches; density of kinks."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    BilevelProblem,
    HypergradientEstimator,
    Inner,
    InnerUpdate,
    Outer,
    Point,
)
from autoreg_jax.hypergrad._given import check_kind, check_same
from autoreg_jax.hypergrad._trees import inner_product
from autoreg_jax.hypergrad.diagnostics._table import Agreements, short


class BatchNoise(NamedTuple):
    """Bias and variance of an estimate over batches.

    Attributes:
        bias: ‖mean − reference‖.
        variance: Trace of the sample covariance (unbiased).
        signal_to_noise: ‖mean‖ / √variance; below 1 a single batch is mostly noise. 0
            if the mean is zero, infinite without noise.
    """

    bias: Array
    variance: Array
    signal_to_noise: Array


def cosine(first: Any, second: Any) -> Array:
    """Cosine of the angle between two trees.

    Args:
        first: Tree of arrays.
        second: Tree of the same structure.

    Returns:
        Scalar in [−1, 1]; 0 if one of the trees is zero.

    Examples:
        >>> float(cosine({"a": jnp.array([2.0, 0.0])}, {"a": jnp.array([0.0, 3.0])}))
        0.0
    """
    # Normalise each tree by itself: the product of two small norms underflows.
    directions = (_unit(tree) for tree in (first, second))
    return jnp.clip(inner_product(*directions), -1, 1)


def alignment(
    terms: Callable[[Inner], Any], inner: Inner, outer_gradient: Inner
) -> Any:
    """−⟨∇ℓ_i(ω), ∇L_v⟩ for each term of the inner loss, by one forward derivative.

    For weights λ of L_t = Σ λ_i ℓ_i this is the one-step hypergradient up to the factor
    ξ. If a component is negative, a descent step on ℓ_i also decreases L_v, and descent
    on λ increases that weight.

    Args:
        terms: Function of ω that returns a tree of unweighted scalars ℓ_i.
        inner: ω.
        outer_gradient: ∇_ω L_v, a tree like ω.

    Returns:
        A tree like the output of `terms`.
    """
    _, slopes = jax.jvp(terms, (inner,), (outer_gradient,))
    return jax.tree.map(jnp.negative, slopes)


def batch_noise(estimates: Outer, reference: Outer) -> BatchNoise:
    """Bias and variance of an estimate over batches.

    Args:
        estimates: Tree like the outer variable with a leading axis of n ≥ 2 batches.
        reference: Tree like the outer variable.

    Returns:
        Scalars; see `BatchNoise`.

    Raises:
        ValueError: If there are fewer than two draws.
    """
    draws = len(jax.tree.leaves(estimates)[0])
    if draws < 2:
        raise ValueError(f"estimates must hold at least two draws, got {draws}.")
    mean = jax.tree.map(lambda e: jnp.mean(e, axis=0), estimates)
    spread = jax.tree.map(lambda e: jnp.sum(jnp.var(e, axis=0, ddof=1)), estimates)
    variance = jnp.asarray(optax.tree.sum(spread))
    size = optax.tree.norm(mean)
    is_noisy = ~(variance == 0)  # so is NaN
    ratio = size / jnp.sqrt(jnp.where(is_noisy, variance, 1.0))
    certain = jnp.where(size > 0, jnp.inf, 0.0)
    return BatchNoise(
        optax.tree.norm(optax.tree.sub(mean, reference)),
        variance,
        jnp.where(is_noisy, ratio, certain),
    )


def kink_density(
    values: Any, radius: float = 0.05, period: float | None = None
) -> Array:
    """Fraction of values within `radius` of a kink.

    Linear interpolation has a kink at every whole voxel of displacement (`period=1`),
    LeakyReLU one at zero (`period=None`). At a density near 1, as for a field close to
    the identity, no derivative predicts a finite change.

    Args:
        values: Tree of arrays: displacements in voxels, or pre-activations.
        radius: Largest distance to a kink (> 0), in the unit of the values.
        period: Distance between kinks; None for a single kink at zero.

    Returns:
        Scalar in [0, 1].

    Examples:
        >>> float(kink_density(jnp.array([0.01, 0.5, 1.98, 2.3]), period=1.0))
        0.5
    """
    flat = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(values)])
    nearest = 0.0 if period is None else period * jnp.round(flat / period)
    return jnp.mean(jnp.abs(flat - nearest) <= radius)


def _unit(tree: Any) -> Any:
    """The tree scaled to norm one, or zeros; safe for tiny and huge entries."""
    leaves = jax.tree.leaves(tree)
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in leaves]))
    largest = jnp.where(largest > 0, largest, 1.0)
    scaled = jax.tree.map(lambda leaf: leaf / largest, tree)
    norm = optax.tree.norm(scaled)
    return jax.tree.map(lambda leaf: leaf / jnp.where(norm > 0, norm, 1.0), scaled)


class Agreement(NamedTuple):
    """Agreement of an estimate with a reference.

    Attributes:
        cosine: Cosine of the angle between them, in [−1, 1].
        relative_error: ‖estimate − reference‖ / ‖reference‖; infinite if only the
            reference is zero, NaN if one of them is.
        sign_agreement: Fraction of coordinates with the same sign, in [0, 1].
    """

    cosine: Array
    relative_error: Array
    sign_agreement: Array

    def __repr__(self) -> str:
        found = zip(self._fields, self, strict=True)
        return f"Agreement({', '.join(f'{name}={short(x)}' for name, x in found)})"


def agreement(estimate: Outer, reference: Outer) -> Agreement:
    """Compare an estimate with a reference.

    Args:
        estimate: Tree of arrays.
        reference: Tree of the same structure.

    Returns:
        Scalars; see `Agreement`.

    Raises:
        ValueError: If they have different structures or shapes.
    """
    remedy = "The trees must be alike; of a `Hypergradient` it is `grad`."
    check_same("The estimate", estimate, reference, remedy)
    size = optax.tree.norm(reference)
    miss = optax.tree.norm(optax.tree.sub(estimate, reference))
    # NaN is no number that is not positive: what is not known shows.
    is_zero = size == 0
    unanswered = jnp.where(miss == 0, 0.0, miss * jnp.inf)
    error = jnp.where(is_zero, unanswered, miss / jnp.where(is_zero, 1.0, size))
    same = jax.tree.map(lambda e, r: jnp.sign(e) == jnp.sign(r), estimate, reference)
    signs = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(same)])
    return Agreement(cosine(estimate, reference), error, jnp.mean(signs))


def compare(
    estimators: Mapping[str, HypergradientEstimator],
    problem: BilevelProblem,
    point: Point,
    reference: Outer,
    *,
    inner_update: InnerUpdate,
) -> Agreements:
    """Estimate one hypergradient with several estimators, each from its initial state.

    Outside of `jax.jit` JAX compiles the loops of the estimates anew in each call.

    Args:
        estimators: Estimators by name.
        problem: The bilevel problem.
        point: ω, a and both batches.
        reference: The true hypergradient, a tree like a.
        inner_update: The inner step, for estimators that differentiate through it.

    Returns:
        The agreement of each estimate with the reference, by name: a dictionary that
        prints as a table.

    Raises:
        ValueError: If one of the estimators is none, or the reference is not like a.

    Examples:
        >>> from autoreg_jax.hypergrad import gradient_descent, one_step_unroll
        >>> problem = BilevelProblem(
        ...     lambda w, a, b: 0.5 * (w - a) ** 2, lambda w, a, b: 0.5 * w**2
        ... )
        >>> found = compare(
        ...     {"one step": one_step_unroll()},
        ...     problem, Point(1.0, 1.0), 1.0, inner_update=gradient_descent(1.0),
        ... )
        >>> float(found["one step"].relative_error)
        0.0
    """
    remedy = "It must be a tree like the outer variable, of a `Hypergradient` its grad."
    check_same("The reference", reference, point.outer, remedy)
    found = Agreements()
    for name, estimator in estimators.items():
        check_kind(f"estimators[{name!r}]", estimator, HypergradientEstimator)
        hyper, _ = estimator.estimate(
            problem,
            estimator.init(point.inner, point.outer),
            point,
            inner_update=inner_update,
        )
        found[name] = agreement(hyper.grad, reference)
    return found
