"""The whole pipeline on a dataset: plan, search, train, evaluate, report."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autoreg_jax.config import RunConfig, dump
from autoreg_jax.config import load as load_config
from autoreg_jax.errors import ArtifactError, AutoRegError, ConfigError
from autoreg_jax.files import write_text
from autoreg_jax.hypergrad import HypergradientEstimator
from autoreg_jax.losses import Objective
from autoreg_jax.programs import NetworkFamily, Programs, with_judge
from autoreg_jax.report import write_report
from autoreg_jax.runtime import RunFolder
from autoreg_jax.workflows._journal import Journal
from autoreg_jax.workflows._roles import roles_of
from autoreg_jax.workflows._search import search
from autoreg_jax.workflows._train import train
from autoreg_jax.workflows.evaluation import Evaluation, evaluate, read_evaluation
from autoreg_jax.workflows.planning import prepare
from autoreg_jax.workflows.strategies import Strategy

logger = logging.getLogger(__name__)


def auto(  # noqa: PLR0913
    dataset: Path | str,
    run: Path | str,
    config: RunConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
    strategy: Strategy | None = None,
    network: NetworkFamily | None = None,
    objective: Objective | None = None,
    estimator: HypergradientEstimator | None = None,
    observe: Callable[[str, int, Any], None] | None = None,
    with_report: bool = True,
) -> Evaluation:
    """Plan, search a network and its loss, train, evaluate and write a report.

    The dataset is read and checked before anything is written. If the folder contains
    a plan.yaml, it is used.

    Args:
        dataset: Anything that `read_dataset` reads, with the splits train, validation
            and the one to evaluate.
        run: Folder of the run.
        config: The run; a resumed run keeps the one that it was started with.
        resume: Resume the run in this folder; finished parts are kept.
        overwrite: Move an existing run to previous-N.
        strategy: As for `search`.
        network: As for `search`.
        objective: As for `search`.
        estimator: As for `search`.
        observe: As for `Journal`.
        with_report: Write report.html.

    Returns:
        The evaluation, also written to the folder.

    Raises:
        DataError, GeometryError: If the dataset cannot be used.
        ConfigError: If `resume` and `overwrite` are both given, if the run to be
            resumed was started with another configuration, or if the plan is wrong.
        ArtifactError: If the folder contains a run and neither is given, or if its
            contents are damaged.
        NonFiniteError: If a loss, gradient or weight became NaN or infinite.
    """
    splits = ("train", "validation", config.evaluate.split)
    prepared = prepare(dataset, Path(run), config, *splits, overwrite=overwrite)
    cohorts = prepared.cohorts
    for cohort in cohorts:
        roles_of(cohort, config.pairs)
    with_judge(config, cohorts[1])  # before anything is written
    folder = RunFolder(run).claim(resume=resume, overwrite=overwrite)
    keep_config(folder, config)
    prepared.write_plan(folder.path)
    config = prepared.config
    folder.write_provenance(config.seed, dataset)

    programs = Programs(
        config,
        cohorts[0].images.ndim - 2,
        network=network,
        objective=objective,
        estimator=estimator,
    )
    journal = Journal(folder.path, resume=resume, observe=observe)
    result = search(
        cohorts[0],
        cohorts[1],
        config,
        journal=journal,
        strategy=strategy,
        programs=programs,
    )
    model = train(
        cohorts[0],
        config,
        result.genotype,
        result.lam,
        validation=cohorts[1],
        journal=journal,
        programs=programs,
    )
    seconds = {}
    if resume and folder.evaluation.is_file():
        evaluation = read_evaluation(folder.path)
    else:
        begin = time.monotonic()
        evaluation = evaluate(cohorts[2], model, config, run=folder.path)
        seconds["evaluate"] = time.monotonic() - begin
    folder.write_provenance(config.seed, dataset, seconds=seconds)
    if with_report:
        _write_report(folder)
    return evaluation


def keep_config(folder: RunFolder, config: RunConfig) -> None:
    """Write config.yaml, or check that the run to be resumed has the same settings.

    Raises:
        ConfigError: If it was started with other settings.
    """
    if folder.config.is_file() and load_config(folder.config) != config:
        raise ConfigError(
            f"{folder.config}: the run was started with other settings; resume it "
            "without --config, --set, --minutes and --hypergradient, or choose another "
            "folder."
        )
    write_text(folder.config, dump(config))


def _write_report(folder: RunFolder) -> None:
    """Write report.html if the packages for it are installed."""
    try:
        write_report(folder.path)
    except ArtifactError:
        raise
    except AutoRegError as error:
        logger.warning("No report.html was written: %s", error)
