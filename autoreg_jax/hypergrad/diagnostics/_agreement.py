"""Estimates of many estimators, each held against a reference."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    BilevelProblem,
    HypergradientEstimator,
    InnerUpdate,
    Outer,
    Point,
)
from autoreg_jax.hypergrad.diagnostics._spread import cosine


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
    point: Point,
    reference: Outer,
    *,
    inner_update: InnerUpdate,
) -> dict[str, Agreement]:
    """Estimate the same hypergradient by several estimators, each from a fresh state.

    Args:
        estimators: By name.
        problem: Of which the hypergradient is wanted.
        point: ω, a and both batches.
        reference: The hypergradient as it should be, a tree like a.
        inner_update: The inner step, for the estimators that look through one.

    Returns:
        The agreement of each estimator with the reference, by the same names.

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
    found = {}
    for name, estimator in estimators.items():
        hyper, _ = estimator.estimate(
            problem,
            estimator.init(point.inner, point.outer),
            point,
            inner_update=inner_update,
        )
        found[name] = agreement(hyper.grad, reference)
    return found
