"""The whole pipeline on a dataset: plan, search, train, evaluate, report."""

import logging
import time
from pathlib import Path

from autoreg_jax.config import RunConfig, dump
from autoreg_jax.config import load as load_config
from autoreg_jax.errors import ArtifactError, AutoRegError, ConfigError
from autoreg_jax.files import write_text
from autoreg_jax.report import write_report
from autoreg_jax.runtime import RunFolder
from autoreg_jax.workflows._judge import check_judge
from autoreg_jax.workflows._roles import roles_of
from autoreg_jax.workflows._search import search
from autoreg_jax.workflows._train import train
from autoreg_jax.workflows.evaluation import Evaluation, evaluate, read_evaluation
from autoreg_jax.workflows.planning import prepare

logger = logging.getLogger(__name__)


def auto(
    dataset: Path | str,
    run: Path | str,
    config: RunConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> Evaluation:
    """Plan, search a network and its loss, train, evaluate and write a report.

    The dataset is read and checked before anything is written. An existing plan.yaml in
    the folder is used.

    Args:
        dataset: Anything that `read_dataset` reads, with the splits train, validation
            and the one to evaluate.
        run: Folder of the run.
        config: The run; must be the same for a resumed run.
        resume: Resume the run in this folder; finished stages are kept.
        overwrite: Move an existing run to previous-N.

    Returns:
        The evaluation, also written to the folder.

    Raises:
        DataError, GeometryError: If the dataset cannot be used.
        ConfigError: If `resume` and `overwrite` are both given, if the run to be
            resumed was started with another configuration, or if the plan is invalid.
        ArtifactError: If the folder contains a run and neither is given, or if a file
            in it is damaged.
        NonFiniteError: If a loss, gradient or weight became NaN or infinite.
    """
    splits = ("train", "validation", config.evaluate.split)
    prepared = prepare(dataset, Path(run), config, *splits, overwrite=overwrite)
    cohorts = prepared.cohorts
    for cohort in cohorts:
        roles_of(cohort, config.pairs)
    check_judge(config, cohorts[1])
    folder = RunFolder(run).claim(resume=resume, overwrite=overwrite)
    run = folder.path
    _keep_config(folder.config, config)
    prepared.write_plan(run)
    config = prepared.config
    folder.write_provenance(config.seed, dataset)

    result = search(cohorts[0], cohorts[1], config, run=run, resume=resume)
    model = train(
        cohorts[0],
        config,
        result.genotype,
        result.lam,
        validation=cohorts[1],
        run=run,
        resume=resume,
    )
    seconds = {}
    if resume and folder.evaluation.is_file():
        evaluation = read_evaluation(run)
    else:
        begin = time.monotonic()
        evaluation = evaluate(cohorts[2], model, config, run=run)
        seconds["evaluate"] = time.monotonic() - begin
    folder.write_provenance(config.seed, dataset, seconds=seconds)
    _write_report(run)
    return evaluation


def _keep_config(path: Path, config: RunConfig) -> None:
    """Write config.yaml, or check that the run to be resumed has the same settings."""
    if path.is_file() and load_config(path) != config:
        raise ConfigError(
            f"{path}: the run was started with other settings; resume it with these, "
            "or choose another folder."
        )
    write_text(path, dump(config))


def _write_report(run: Path) -> None:
    """Write report.html if the packages for it are installed."""
    try:
        write_report(run)
    except ArtifactError:
        raise
    except AutoRegError as error:
        logger.warning("No report.html was written: %s", error)
