"""`autoreg compare`: estimators on problems with an answer, and on a supernet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from autoreg_jax import hypergrad
from autoreg_jax.config import RunConfig
from autoreg_jax.config import load as load_config
from autoreg_jax.hypergrad.problems import hyper_cleaning, quadratic
from autoreg_jax.workflows.comparison._cleaning import (
    LEARNING_RATE,
    NUM_CLASSES,
    cleaning_tables,
)
from autoreg_jax.workflows.comparison._digits import load_digits, noisy_split
from autoreg_jax.workflows.comparison._estimators import (
    chosen,
    few_outer_estimators,
    supernet_estimators,
)
from autoreg_jax.workflows.comparison._examples import example_rows, noisy_ridge
from autoreg_jax.workflows.comparison._products import product_rows
from autoreg_jax.workflows.comparison._supernet import make_supernet
from autoreg_jax.workflows.comparison._table import compare_at, write_rows

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
    if problem == "registration":
        config = load_config("demo") if config is None else config
        supernet = make_supernet(config, warm_up=warm_up, dimensions=dimensions)
        tables: dict[str, list[Any]] = {"products": product_rows(supernet)}
        tables["estimates"] = compare_at(
            supernet.points,
            chosen(supernet_estimators(supernet.learning_rate), only),
            supernet.plain,
            supernet.alpha,
            supernet.batches,
            supernet.look_ahead,
        )
    elif problem == "digits":
        features, labels = load_digits()
        splits = [noisy_split(features, labels, seed=seed) for seed in range(seeds)]
        split = splits[0] if splits else noisy_split(features, labels)
        train, valid = jax.tree.map(jnp.asarray, (split.train, split.valid))
        example = hyper_cleaning(train, valid, NUM_CLASSES)
        few = {"dense": hypergrad.dense()}
        tables = {"estimates": example_rows(example, LEARNING_RATE, few, folder, only)}
        if splits:
            rows, by_seed = cleaning_tables(splits, outer_steps, only)
            if rows:
                tables |= {"cleaning": rows, "cleaning_seeds": by_seed}
    else:
        example = (
            quadratic(jax.random.key(0)) if problem == "quadratic" else noisy_ridge()
        )
        rate = 1 / float(jax.jit(example.smoothness)(example.outer))
        few = few_outer_estimators()
        tables = {"estimates": example_rows(example, rate, few, folder, only)}
    for name, rows in tables.items():
        write_rows(folder, name, rows)
    return tables
