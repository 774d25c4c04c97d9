"""`autoreg compare`: estimators on problems with an answer, and on a supernet."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from autoreg_jax import hypergrad
from autoreg_jax.config import RunConfig
from autoreg_jax.config import load as load_config
from autoreg_jax.hypergrad.problems import hyper_cleaning, quadratic
from autoreg_jax.studies.compare._cleaning import (
    LEARNING_RATE,
    NUM_CLASSES,
    cleaning_tables,
)
from autoreg_jax.studies.compare._digits import load_digits, noisy_split
from autoreg_jax.studies.compare._estimators import (
    chosen,
    few_outer_estimators,
    supernet_estimators,
)
from autoreg_jax.studies.compare._examples import example_rows, noisy_ridge
from autoreg_jax.studies.compare._products import product_rows
from autoreg_jax.studies.compare._supernet import make_supernet
from autoreg_jax.studies.compare._table import compare_at, write_rows

Tables = Iterator[tuple[str, list[Any]]]

PROBLEMS = ("digits", "quadratic", "registration", "ridge")


def compare(
    problem: str,
    folder: Path | str,
    *,
    seeds: int = 10,
    outer_steps: int = 400,
    warm_up: int = 60,
    dimensions: int = 2,
    config: RunConfig | None = None,
    only: Sequence[str] = (),
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
        config: Of `registration`; the preset `demo` unless given.
        only: Beginnings of the names of the estimators to compare, as "Neumann"; all
            unless given. Figures of the dependence on ε and K are left out then.

    Returns:
        Named tables, each a list of named tuples.

    Raises:
        ValueError: If there is no such problem.
        ConfigError: If no estimator is left.
        DataError: If scikit-learn or nilearn, which carry data, is not installed.
    """
    if problem not in PROBLEMS:
        raise ValueError(f"problem must be one of {PROBLEMS}, got {problem!r}.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if problem == "registration":
        config = load_config("demo") if config is None else config
        tables = _on_supernet(config, warm_up, dimensions, only)
    elif problem == "digits":
        tables = _on_digits(folder, seeds, outer_steps, only)
    else:
        example = (
            quadratic(jax.random.key(0)) if problem == "quadratic" else noisy_ridge()
        )
        rate = 1 / float(jax.jit(example.smoothness)(example.point.outer))
        few = few_outer_estimators()
        rows = example_rows(example, rate, few, folder, only)
        tables = iter([("estimates", rows)])
    written = {}
    for name, rows in tables:  # what is finished is not lost if the next one fails
        write_rows(folder, name, rows)
        written[name] = rows
    return written


def _on_supernet(
    config: RunConfig, warm_up: int, dimensions: int, only: Sequence[str]
) -> Tables:
    """Mixed products, then whole estimates."""
    supernet = make_supernet(config, warm_up=warm_up, dimensions=dimensions)
    yield "products", product_rows(supernet)
    yield (
        "estimates",
        compare_at(
            supernet.points,
            chosen(supernet_estimators(supernet.learning_rate), only),
            supernet.plain,
            supernet.alpha,
            supernet.batches,
            supernet.look_ahead,
        ),
    )


def _on_digits(
    folder: Path, seeds: int, outer_steps: int, only: Sequence[str]
) -> Tables:
    """Estimates on the first seed, then the digits from start to end."""
    features, labels = load_digits()
    splits = [noisy_split(features, labels, seed=seed) for seed in range(seeds)]
    split = splits[0] if splits else noisy_split(features, labels)
    train, valid = jax.tree.map(jnp.asarray, (split.train, split.valid))
    example = hyper_cleaning(train, valid, NUM_CLASSES)
    few = {"full Hessian": hypergrad.full_hessian()}
    yield "estimates", example_rows(example, LEARNING_RATE, few, folder, only)
    rows, by_seed = cleaning_tables(splits, outer_steps, only) if splits else ([], [])
    if rows:
        yield "cleaning", rows
        yield "cleaning_seeds", by_seed
