"""Compare the estimates of several estimators with a reference."""

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
from autoreg_jax.hypergrad.diagnostics._measures import cosine


class Agreement(NamedTuple):
    """Agreement of an estimate with a reference.

    Attributes:
        cosine: Cosine of the angle between them, in [−1, 1].
        relative_error: ‖estimate − reference‖ / ‖reference‖; infinite if only the
            reference is zero.
        sign_agreement: Fraction of coordinates with the same sign, in [0, 1].
    """

    cosine: Array
    relative_error: Array
    sign_agreement: Array


def agreement(estimate: Outer, reference: Outer) -> Agreement:
    """Compare an estimate with a reference.

    Args:
        estimate: Tree of arrays.
        reference: Tree of the same structure.

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
    """Estimate one hypergradient with several estimators, each from its initial state.

    Args:
        estimators: Estimators by name.
        problem: The bilevel problem.
        point: ω, a and both batches.
        reference: The true hypergradient, a tree like a.
        inner_update: The inner step, for estimators that differentiate through it.

    Returns:
        The agreement of each estimate with the reference, by name.

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
