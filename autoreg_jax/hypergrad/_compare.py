"""Estimates of many estimators, each held against a reference."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    Batch,
    BilevelProblem,
    HypergradientEstimator,
    Inner,
    InnerUpdate,
    Outer,
)
from autoreg_jax.hypergrad._diagnostics import cosine


class Agreement(NamedTuple):
    """How near an estimate is to a reference.

    Attributes:
        cosine: In [−1, 1]: the direction alone.
        relative_error: ‖estimate − reference‖ / ‖reference‖; infinite where the
            reference vanishes and the estimate does not.
        sign_agreement: Share of the coordinates of one sign, in [0, 1].
    """

    cosine: Array
    relative_error: Array
    sign_agreement: Array


def agreement(estimate: Outer, reference: Outer) -> Agreement:
    """Hold one estimate against a reference.

    Args:
        estimate: Tree of arrays.
        reference: The same structure.

    Returns:
        Scalars; see `Agreement`.
    """
    size = optax.tree.norm(reference)
    miss = optax.tree.norm(optax.tree.sub(estimate, reference))
    unanswered = jnp.where(miss > 0, jnp.inf, 0.0)
    error = jnp.where(size > 0, miss / jnp.where(size > 0, size, 1.0), unanswered)
    same = jax.tree.map(lambda e, r: jnp.sign(e) == jnp.sign(r), estimate, reference)
    signs = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(same)])
    return Agreement(cosine(estimate, reference), error, jnp.mean(signs))


def compare(
    estimators: Mapping[str, HypergradientEstimator],
    problem: BilevelProblem,
    inner: Inner,
    outer: Outer,
    train_batch: Batch,
    valid_batch: Batch,
    reference: Outer,
    *,
    inner_update: InnerUpdate,
) -> dict[str, Agreement]:
    """Estimate the same hypergradient by several estimators, each from a fresh state.

    Args:
        estimators: By name.
        problem: Of which the hypergradient is wanted.
        inner: ω.
        outer: a.
        train_batch: What the inner loss is computed on.
        valid_batch: What the outer loss is computed on.
        reference: The hypergradient as it should be, a tree like a.
        inner_update: The inner step, for the estimators that look through one.

    Returns:
        The agreement of each estimator with the reference, by the same names.

    Examples:
        >>> from autoreg_jax.hypergrad import one_step_unroll, sgd
        >>> problem = BilevelProblem(
        ...     lambda w, a, b: 0.5 * (w - a) ** 2, lambda w, a, b: 0.5 * w**2
        ... )
        >>> found = compare(
        ...     {"one step": one_step_unroll()},
        ...     problem, 1.0, 1.0, None, None, 1.0, inner_update=sgd(1.0),
        ... )
        >>> float(found["one step"].relative_error)
        0.0
    """
    found = {}
    for name, estimator in estimators.items():
        hyper, _ = estimator.estimate(
            problem,
            estimator.init(inner, outer),
            inner,
            outer,
            train_batch,
            valid_batch,
            inner_update=inner_update,
        )
        found[name] = agreement(hyper.grad, reference)
    return found
