"""`autoreg compare`: estimators on problems with an answer, and on a supernet."""

import logging
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax import hypergrad
from autoreg_jax.config import RunConfig
from autoreg_jax.config import load as load_config
from autoreg_jax.data import load_cohort, read_dataset, write_population
from autoreg_jax.hypergrad.problems import Example, hyper_cleaning, quadratic, ridge
from autoreg_jax.workflows._cleaning import LEARNING_RATE, NUM_CLASSES, clean
from autoreg_jax.workflows._comparison import ComparisonRow, compare_on, write_rows
from autoreg_jax.workflows._digits import NoisySplit, load_digits, noisy_split
from autoreg_jax.workflows._estimators import cleaning_estimators, estimators_for
from autoreg_jax.workflows._supernet_check import check_supernet

PROBLEMS = ("digits", "quadratic", "ridge", "registration")
_RADII = tuple(10.0**power for power in range(-5, 1))

logger = logging.getLogger(__name__)


class CleaningRow(NamedTuple):
    """Hyper-cleaning with one estimator: mean and standard deviation over seeds."""

    estimator: str
    cosine: float
    cosine_sd: float
    valid_loss: float
    valid_loss_sd: float
    test_accuracy: float
    test_accuracy_sd: float
    f1: float
    f1_sd: float


def compare(
    problem: str,
    folder: Path | str,
    *,
    seeds: int = 10,
    outer_steps: int = 400,
    warm_up: int = 60,
    dimensions: int = 2,
    config: RunConfig | None = None,
) -> dict[str, list[Any]]:
    """Compare hypergradient estimators, and write tables and figures.

    Args:
        problem: One of `PROBLEMS`.
        folder: Gets a CSV and a Markdown file for each table, and figures where
            matplotlib is installed.
        seeds: Of the digits from start to end; 0 leaves that out.
        outer_steps: Steps of the weights there.
        warm_up: Steps of ω before the last rows of `registration`.
        dimensions: Of the simulated images of `registration`.
        config: Of `registration`; the preset `smoke` unless given.

    Returns:
        Named tables, each a list of named tuples.

    Raises:
        ValueError: If there is no such problem.
        DataError: If scikit-learn or nilearn, which carry data, is not installed.
    """
    if problem not in PROBLEMS:
        raise ValueError(f"problem must be one of {PROBLEMS}, got {problem!r}.")
    folder = Path(folder)
    if problem == "registration":
        config = load_config("smoke") if config is None else config
        tables = {"products": _registration(config, warm_up, dimensions)}
    elif problem == "digits":
        features, labels = load_digits()
        splits = [noisy_split(features, labels, seed=seed) for seed in range(seeds)]
        split = splits[0] if splits else noisy_split(features, labels)
        parts = (jax.tree.map(jnp.asarray, p) for p in (split.train, split.valid))
        example = hyper_cleaning(*parts, NUM_CLASSES)
        tables = {"estimates": _estimates(example, LEARNING_RATE, folder)}
        if splits:
            tables["cleaning"] = _cleaning(splits, outer_steps)
    else:
        example = quadratic(jax.random.key(0)) if problem == "quadratic" else _ridge()
        rate = 1 / float(jax.jit(example.smoothness)(example.outer))
        tables = {"estimates": _estimates(example, rate, folder)}
    for name, rows in tables.items():
        write_rows(folder, name, rows)
    return tables


def _estimates(example: Example, rate: float, folder: Path) -> list[ComparisonRow]:
    """The table of one problem and its two figures."""
    inner_update = hypergrad.sgd(rate)
    rows = compare_on(example, estimators_for(rate), inner_update)
    if find_spec("matplotlib") is None:
        logger.info("No figures: matplotlib is not installed.")
        return rows
    from autoreg_jax import report

    folder.mkdir(parents=True, exist_ok=True)
    points = {row.estimator: (row.seconds, row.relative_error) for row in rows}
    report.error_against_cost(points).savefig(folder / "error_against_cost.png")
    errors = _radius_errors(example, inner_update)
    figure = report.error_curves(_RADII, errors, "radius of the difference")
    figure.savefig(folder / "radius.png")
    return rows


def _radius_errors(example: Example, inner_update: Any) -> dict[str, list[float]]:
    """Error of the finite difference against the exact one-step estimate."""
    omega, outer = example.inner + 0.1, example.outer

    @jax.jit
    def indirect(estimator_radius: Any) -> Any:
        exact, _ = hypergrad.one_step_unroll().estimate(
            example.problem,
            (),
            omega,
            outer,
            example.train_batch,
            example.valid_batch,
            inner_update=inner_update,
        )
        del estimator_radius
        return exact.indirect

    wanted = indirect(0.0)
    errors = []
    for radius in _RADII:
        estimator = hypergrad.finite_difference(radius)
        found, _ = estimator.estimate(
            example.problem,
            (),
            omega,
            outer,
            example.train_batch,
            example.valid_batch,
            inner_update=inner_update,
        )
        miss = hypergrad.agreement(found.indirect, wanted).relative_error
        errors.append(float(miss))
    return {"finite difference": errors}


def _cleaning(splits: Sequence[NoisySplit], outer_steps: int) -> list[CleaningRow]:
    """The digits from start to end by several estimators."""
    rows = []
    for name, estimator in cleaning_estimators(LEARNING_RATE).items():
        logger.info("Cleaning with %s, seeds: %d.", name, len(splits))
        inner_update = hypergrad.sgd(LEARNING_RATE)
        found = clean(estimator, inner_update, splits, outer_steps=outer_steps)
        spread = [stat for v in found for stat in (float(v.mean()), float(v.std()))]
        rows.append(CleaningRow(name, *spread))
    return rows


def _ridge() -> Example:
    """A regression of which half of the features are noise."""
    rng = np.random.default_rng(0)
    truth = np.concatenate([rng.normal(size=10), np.zeros(10)])

    def batch(size: int) -> tuple[Any, Any]:
        features = rng.normal(size=(size, truth.size))
        targets = features @ truth + rng.normal(size=size)
        return jnp.asarray(features, jnp.float32), jnp.asarray(targets, jnp.float32)

    return ridge(batch(40), batch(40))


def _registration(config: RunConfig, warm_up: int, dimensions: int) -> list[Any]:
    """The supernet on ten simulated subjects."""
    with tempfile.TemporaryDirectory() as folder:
        table = write_population(
            folder, num_subjects=10, dimensions=dimensions, seed=config.seed
        )
        dataset = read_dataset(table)
        cohorts = [load_cohort(dataset, split) for split in ("train", "validation")]
        return check_supernet(*cohorts, config, warm_up=warm_up)
