"""Estimators on a problem whose hypergradient is known."""

import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax import hypergrad
from autoreg_jax.hypergrad.problems import Example, ridge
from autoreg_jax.studies._table import save_figures
from autoreg_jax.studies.compare._estimators import estimate_records, first_estimate

RADII = tuple(10.0**power for power in range(-5, 1))
TERMS = (1, 2, 5, 10, 20, 50, 100)
_SOLVED = "at the solution"
_UNCONVERGED = 20  # inner steps

logger = logging.getLogger(__name__)


def noisy_ridge() -> Example:
    """A regression in which half of the features are noise."""
    rng = np.random.default_rng(0)
    truth = np.concatenate([rng.normal(size=10), np.zeros(10)])

    def batch(size: int) -> tuple[Any, Any]:
        features = rng.normal(size=(size, truth.size))
        targets = features @ truth + rng.normal(size=size)
        return jnp.asarray(features, jnp.float32), jnp.asarray(targets, jnp.float32)

    return ridge(batch(40), batch(40))


def example_records(
    example: Example,
    learning_rate: float,
    estimators: Mapping[str, Any],
    folder: Path,
    *,
    has_sweeps: bool,
) -> list[dict[str, Any]]:
    """Estimates at the solution and after a few inner steps, and their figures.

    `learning_rate` is 1/L of the inner loss; `has_sweeps` draws the errors against ε,
    K.
    """
    inner_update = hypergrad.gradient_descent(learning_rate)
    start, outer = example.point, example.point.outer
    solution = start._replace(inner=jax.jit(example.solution)(outer))
    descended = start._replace(inner=_descended(example, inner_update))
    records = estimate_records(
        {_SOLVED: solution, f"after {_UNCONVERGED} steps": descended},
        estimators,
        example.problem,
        inner_update,
        jax.jit(example.reference)(outer),
    )
    if find_spec("matplotlib") is None:
        logger.info("No figures: matplotlib is not installed.")
        return records
    from autoreg_jax import report

    costs = {
        record["estimator"]: (record["seconds"], record["relative_error"])
        for record in records
        if record["weights"] == _SOLVED
    }
    figures = [("error_against_cost", report.error_against_cost(costs))]
    if has_sweeps:
        radii = radius_sweep(example, learning_rate, RADII)
        terms = term_sweep(example, learning_rate, TERMS)
        label = "K, terms, iterations or steps"
        figures += [
            ("radius", report.error_curves(RADII, radii, "ε, length of the probe")),
            ("terms", report.error_curves(TERMS, terms, label)),
        ]
    save_figures(folder, figures)
    return records


def _descended(example: Example, inner_update: Any) -> Any:
    """ω after a few steps, far from the solution."""
    slope = jax.jit(jax.grad(example.problem.inner_loss))
    omega = example.point.inner
    for _ in range(_UNCONVERGED):
        gradient = slope(omega, example.point.outer, example.point.train_batch)
        omega = inner_update(omega, gradient)
    return omega


def radius_sweep(
    example: Example, learning_rate: float, radii: Sequence[float]
) -> dict[str, list[float]]:
    """Relative error of the indirect part by finite differences, near the start."""
    omega = jax.tree.map(lambda leaf: leaf + 0.1, example.point.inner)
    inner_update = hypergrad.gradient_descent(learning_rate)
    exact = _estimate(hypergrad.one_step_unroll(), example, omega, inner_update)

    def error(radius: float, *, normalise: bool) -> float:
        estimator = hypergrad.finite_difference(radius, normalise=normalise)
        found = _estimate(estimator, example, omega, inner_update)
        agreement = hypergrad.agreement(found.indirect, exact.indirect)
        return float(agreement.relative_error)

    return {
        "probe of this length": [error(r, normalise=True) for r in radii],
        "probe times the gradient": [error(r, normalise=False) for r in radii],
    }


def term_sweep(
    example: Example, learning_rate: float, terms: Sequence[int]
) -> dict[str, list[float]]:
    """Relative error of series, solver and unroll to the true hypergradient, by name.

    Series and solver start at ω*, the unroll at the start of the problem.
    """
    reference = jax.jit(example.reference)(example.point.outer)
    optimum = jax.jit(example.solution)(example.point.outer)
    inner_update = hypergrad.gradient_descent(learning_rate)

    def errors(make: Callable[[int], Any], omega: Any) -> list[float]:
        found = (_estimate(make(k), example, omega, inner_update) for k in terms)
        near = (hypergrad.agreement(one.grad, reference) for one in found)
        return [float(one.relative_error) for one in near]

    def series(count: int) -> Any:
        return hypergrad.neumann(count, learning_rate)

    return {
        "Neumann series": errors(series, optimum),
        "conjugate gradient": errors(hypergrad.conjugate_gradient, optimum),
        "unroll": errors(hypergrad.unroll, example.point.inner),
    }


def _estimate(estimator: Any, example: Example, omega: Any, inner_update: Any) -> Any:
    run = jax.jit(first_estimate(estimator, example.problem, inner_update))
    return run(example.point._replace(inner=omega))
