"""`autoreg compare`: estimators on problems with a known answer, and on a supernet."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from autoreg_jax import hypergrad
from autoreg_jax.config import RunConfig
from autoreg_jax.config import load as load_config
from autoreg_jax.hypergrad.problems import Example, hyper_cleaning, quadratic
from autoreg_jax.programs import NetworkFamily
from autoreg_jax.runtime import in_single_precision, owns
from autoreg_jax.studies._table import Column, Table, plain_table
from autoreg_jax.studies.compare._cleaning import (
    LEARNING_RATE,
    NUM_CLASSES,
    cleaning_records,
    load_digits,
    noisy_split,
)
from autoreg_jax.studies.compare._estimators import (
    all_estimators,
    chosen,
    estimate_records,
    few_outer_estimators,
    supernet_estimators,
)
from autoreg_jax.studies.compare._examples import example_records, noisy_ridge
from autoreg_jax.studies.compare._products import product_records
from autoreg_jax.studies.compare._supernet import make_supernet

Records = Iterator[tuple[str, list[dict[str, Any]]]]

PROBLEMS = ("digits", "quadratic", "registration", "ridge")

# The columns that fit into a terminal; all others are in the files.
COLUMNS = (
    Column("", "estimator"),
    Column("", "product"),
    Column("cosine", "cosine", sd="cosine_sd"),
    Column("error", "relative_error", ""),
    Column("signs", "sign_agreement", ""),
    Column("step 0.03", "response_small", ""),
    Column("step 0.3", "response_large", ""),
    Column("kinks", "kinks", ""),
    Column("loss", "valid_loss", sd="valid_loss_sd"),
    Column("accuracy", "test_accuracy", sd="test_accuracy_sd"),
    Column("F1", "f1", sd="f1_sd"),
    Column("ms", "seconds", "", 1e3),
    Column("compile, s", "compile_seconds", ""),
    Column("MFLOP", "flops", "", 1e-6),
    Column("MB", "temporary_bytes", "", 1e-6),
)
_DAMPING = 0.01


@in_single_precision
@owns("folder")
def compare(  # noqa: PLR0913
    problem: str,
    folder: Path | str,
    *,
    seeds: int = 10,
    outer_steps: int = 400,
    warm_up: int = 60,
    dimensions: int = 2,
    config: RunConfig | None = None,
    network: NetworkFamily | None = None,
    only: Sequence[str] = (),
) -> dict[str, Table]:
    """Compare hypergradient estimators, and write tables and figures.

    Args:
        problem: One of `PROBLEMS`.
        folder: For a CSV and a Markdown file of each table, and figures where
            matplotlib is installed.
        seeds: Repetitions of cleaning the digits; 0: do not clean.
        outer_steps: Steps of the weights of the digits.
        warm_up: Steps of ω before the last point of `registration`.
        dimensions: Of the simulated images of `registration`.
        config: Of `registration`; default: the preset `demo`.
        network: A network family of your own for `registration`, as for
            `workflows.search`, with a head `velocity_half`.
        only: Prefixes of the names of the estimators, for example "Neumann"; default:
            all estimators, and figures of the errors against ε and K.

    Returns:
        Tables by name.

    Raises:
        ValueError: If there is no such problem.
        ConfigError: If no estimator is left.
        DataError: If scikit-learn or nilearn, which provide data, is not installed.
    """
    if problem not in PROBLEMS:
        raise ValueError(f"problem must be one of {PROBLEMS}, got {problem!r}.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if problem == "registration":
        config = load_config("demo") if config is None else config
        found = _on_supernet(
            config, only, warm_up=warm_up, dimensions=dimensions, network=network
        )
    elif problem == "digits":
        found = _on_digits(folder, seeds, outer_steps, only)
    else:
        is_quadratic = problem == "quadratic"
        example = quadratic(jax.random.key(0)) if is_quadratic else noisy_ridge()
        rate = 1 / float(jax.jit(example.smoothness)(example.point.outer))
        found = _on_example(example, rate, few_outer_estimators(), folder, only)
    tables = {}
    for name, records in found:  # a finished table survives a failure of the next one
        tables[name] = plain_table(records)
        tables[name].write(folder, name)
    return tables


def _on_example(
    example: Example,
    rate: float,
    few: dict[str, Any],
    folder: Path,
    only: Sequence[str],
) -> Records:
    """Estimates, also by estimators for `few` outer or inner variables."""
    estimators = chosen(all_estimators(rate, _DAMPING) | few, only)
    has_sweeps = not only
    yield (
        "estimates",
        example_records(example, rate, estimators, folder, has_sweeps=has_sweeps),
    )


def _on_supernet(config: RunConfig, only: Sequence[str], **options: Any) -> Records:
    """Mixed products, then whole estimates."""
    supernet = make_supernet(config, **options)
    yield "products", product_records(supernet)
    yield (
        "estimates",
        estimate_records(
            supernet.points,
            chosen(supernet_estimators(supernet.learning_rate), only),
            supernet.plain,
            hypergrad.gradient_descent(supernet.learning_rate),
        ),
    )


def _on_digits(
    folder: Path, seeds: int, outer_steps: int, only: Sequence[str]
) -> Records:
    """Estimates on the first seed, then the digits from start to end."""
    features, labels = load_digits()
    splits = [noisy_split(features, labels, seed=seed) for seed in range(max(1, seeds))]
    train, valid = jax.tree.map(jnp.asarray, (splits[0].train, splits[0].valid))
    example = hyper_cleaning(train, valid, NUM_CLASSES)
    few = {"full Hessian": hypergrad.full_hessian()}
    yield from _on_example(example, LEARNING_RATE, few, folder, only)
    records, by_seed = cleaning_records(splits[:seeds], outer_steps, only)
    if records:
        yield "cleaning", records
        yield "cleaning_seeds", by_seed
