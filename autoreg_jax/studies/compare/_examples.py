"""Estimators on a problem whose hypergradient is known."""

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax import hypergrad
from autoreg_jax.hypergrad.problems import Example, ridge
from autoreg_jax.studies.compare._estimators import all_estimators, chosen
from autoreg_jax.studies.compare._sweeps import (
    RADII,
    TERMS,
    radius_sweep,
    term_sweep,
)
from autoreg_jax.studies.compare._table import ComparisonRow, compare_at

_SOLVED = "at the solution"
_UNCONVERGED = 20  # inner steps
_DAMPING = 0.01

logger = logging.getLogger(__name__)


def noisy_ridge() -> Example:
    """A regression of which half of the features are noise."""
    rng = np.random.default_rng(0)
    truth = np.concatenate([rng.normal(size=10), np.zeros(10)])

    def batch(size: int) -> tuple[Any, Any]:
        features = rng.normal(size=(size, truth.size))
        targets = features @ truth + rng.normal(size=size)
        return jnp.asarray(features, jnp.float32), jnp.asarray(targets, jnp.float32)

    return ridge(batch(40), batch(40))


def example_rows(
    example: Example,
    rate: float,
    few: dict[str, Any],
    folder: Path,
    only: Sequence[str],
) -> list[ComparisonRow]:
    """The table of a problem with an answer, and its figures.

    Args:
        example: The problem.
        rate: 1/L of its inner loss.
        few: Estimators for few outer or inner variables, by name.
        folder: Gets the figures where matplotlib is installed.
        only: Beginnings of the names of the estimators; all where empty.

    Returns:
        Rows at the solution and after a few inner steps.
    """
    inner_update, outer = hypergrad.gradient_descent(rate), example.point.outer
    reference = jax.jit(example.reference)(outer)
    points = {
        _SOLVED: jax.jit(example.solution)(outer),
        f"after {_UNCONVERGED} steps": _descended(example, inner_update),
    }
    estimators = chosen(all_estimators(rate, _DAMPING) | few, only)
    batches = example.point.train_batch, example.point.valid_batch
    rows = compare_at(
        points, estimators, example.problem, outer, batches, inner_update, reference
    )
    if find_spec("matplotlib") is None:
        logger.info("No figures: matplotlib is not installed.")
        return rows
    from autoreg_jax import report

    solved = [row for row in rows if row.weights == _SOLVED]
    prices = {row.estimator: (row.seconds, row.relative_error) for row in solved}
    figures = {"error_against_cost": report.error_against_cost(prices)}
    if not only:
        radii = radius_sweep(example, inner_update)
        terms = term_sweep(example, rate, inner_update)
        figures |= {
            "radius": report.error_curves(RADII, radii, "ε, length of the probe"),
            "terms": report.error_curves(TERMS, terms, "K, terms, iterations or steps"),
        }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)
    return rows


def _descended(example: Example, inner_update: Any) -> Any:
    """ω after a few steps, far from the solution."""
    slope = jax.jit(jax.grad(example.problem.inner_loss))
    omega = example.point.inner
    for _ in range(_UNCONVERGED):
        gradient = slope(omega, example.point.outer, example.point.train_batch)
        omega = inner_update(omega, gradient)
    return omega
