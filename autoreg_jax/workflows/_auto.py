"""The whole pipeline, on a dataset or on simulated subjects: plan to report."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoreg_jax.config import RunConfig
from autoreg_jax.config import load as load_config
from autoreg_jax.data import write_population
from autoreg_jax.errors import ArtifactError, AutoRegError, ConfigError
from autoreg_jax.files import is_writer
from autoreg_jax.hypergrad import HypergradientEstimator
from autoreg_jax.losses import Objective
from autoreg_jax.programs import NetworkFamily, Programs, check_space, with_judge
from autoreg_jax.report import write_report
from autoreg_jax.runtime import RunFolder, in_single_precision, owns, wait_for_all
from autoreg_jax.spaces import changed
from autoreg_jax.workflows._artifacts import check_config, write_config
from autoreg_jax.workflows._journal import Journal
from autoreg_jax.workflows._pairs import roles_of, warn_of_unpaired
from autoreg_jax.workflows._search import search
from autoreg_jax.workflows._train import train
from autoreg_jax.workflows.evaluation import Evaluation, evaluate, read_evaluation
from autoreg_jax.workflows.planning import Prepared, prepare
from autoreg_jax.workflows.refinement import search_refinement
from autoreg_jax.workflows.strategies import Strategy
from autoreg_jax.workflows.trials import adopt

logger = logging.getLogger(__name__)


@in_single_precision
@owns()
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
    prepared = open_run(
        dataset, run, config, *splits, resume=resume, overwrite=overwrite
    )
    folder, cohorts, config = RunFolder(run), prepared.cohorts, prepared.config
    shape = cohorts[0].images.shape
    images = len(shape) - 2, shape[-1]
    programs = Programs(
        config,
        images[0],
        network=network,
        objective=objective,
        estimator=estimator,
        channels=images[1],
    )
    # The search would find out when it is over that the training cannot be done.
    check_space(cohorts[0].images.shape[1:-1], config.mesh.space, [1])
    journal = Journal(folder.path, resume=resume, observe=observe)
    result = search(
        cohorts[0],
        cohorts[1],
        config,
        journal=journal,
        strategy=strategy,
        programs=programs,
    )
    config = changed(config, result.settings)
    model = result.model
    if model is not None:
        adopt(journal, model)
    else:
        model = train(
            cohorts[0],
            config,
            result.genotype,
            result.lam,
            validation=cohorts[1],
            journal=journal,
            programs=programs if programs.fits(config, *images) else None,
        )
    model = search_refinement(cohorts[1], model, config, run=folder.path)
    seconds, evaluation = {}, None
    if resume and folder.evaluation.is_file():
        evaluation = read_evaluation(folder.path)
    if evaluation is None or evaluation.summary.get("model") != model.digest:
        begin = time.monotonic()
        evaluation = evaluate(cohorts[2], model, config, run=folder.path)
        seconds["evaluate"] = time.monotonic() - begin
    folder.write_provenance(config.seed, dataset, seconds=seconds)
    if with_report and is_writer():
        _write_report(folder)
    return evaluation


def open_run(
    dataset: Path | str,
    run: Path | str,
    config: RunConfig,
    *splits: str,
    resume: bool,
    overwrite: bool,
) -> Prepared:
    """Read and check the data; only then claim the folder and write what is decided."""
    RunFolder(run).check(resume=resume, overwrite=overwrite)
    check_config(RunFolder(run), resume=resume)
    prepared = prepare(dataset, Path(run), config, *splits, overwrite=overwrite)
    for cohort in prepared.cohorts:
        warn_of_unpaired(cohort, roles_of(cohort, config.pairs))
    with_judge(config, prepared.cohorts[1])
    wait_for_all("the data were read")  # before the folder changes
    folder = RunFolder(run).claim(resume=resume, overwrite=overwrite)
    stored = check_config(folder, resume=resume)
    if stored is not None and replace(stored, mesh=config.mesh) != config:
        raise ConfigError(
            f"{folder.config}: the run was started with other settings; resume it "
            "without --config, --set, --minutes and --hypergradient (but mesh.* may "
            "be set), or choose another folder."
        )
    write_config(folder, config)
    prepared.write_plan(folder.path)
    folder.write_provenance(config.seed, dataset)
    wait_for_all("the folder was claimed")
    return prepared


def _write_report(folder: RunFolder) -> None:
    """Write report.html if the packages for it are installed."""
    try:
        write_report(folder.path)
    except ArtifactError:
        raise
    except AutoRegError as error:
        logger.warning("No report.html was written: %s", error)


# Voxel size in mm, so that a CPU learns either in minutes.
_SPACING = {2: 2.0, 3: 4.0}


def check_dimensions(dimensions: int) -> None:
    """Refuse what is neither a plane nor a volume."""
    if dimensions not in _SPACING:
        raise ValueError(f"dimensions must be 2 or 3, got {dimensions}.")


def simulated(
    folder: Path,
    dimensions: int,
    seed: int,
    *,
    spacing: float | None = None,
    is_kept: bool = True,
    **options: Any,
) -> Path:
    """The CSV file of simulated subjects in a folder; existing ones may be kept."""
    table = folder / "dataset.csv"
    if is_kept and table.is_file():  # the table is written last
        return table
    spacing = spacing or _SPACING[dimensions]
    return write_population(
        folder, spacing=spacing, dimensions=dimensions, seed=seed, **options
    )


@owns()
def demo(
    run: Path | str = Path("runs/demo"),
    *,
    dimensions: int = 3,
    spacing: float | None = None,
    config: RunConfig | None = None,
    resume: bool = False,
    overwrite: bool = False,
    network: NetworkFamily | None = None,
    with_report: bool = True,
) -> Evaluation:
    """Simulate a population from the ICBM 152 template and run `auto` on it.

    Args:
        run: Folder of the run; the subjects are written to its folder `data`.
        dimensions: 3, or 2 for an axial plane.
        spacing: Voxel size, 2 to 8 mm; default: 4 mm, 2 mm for a plane.
        config: The run; default: the preset `demo`.
        resume: Resume the run in this folder.
        overwrite: Move an existing run to previous-N.
        network: A network family of your own, as for `search`.
        with_report: Write report.html.

    Returns:
        The evaluation, also written to the folder.

    Raises:
        ValueError: If `dimensions` is neither 2 nor 3.
        ConfigError: If `spacing` is out of its range.
        DataError: If nilearn, which contains the template, is not installed.
        AutoRegError: As `auto`.
    """
    check_dimensions(dimensions)
    if spacing is not None and not 2 <= spacing <= 8:
        raise ConfigError(f"spacing: must be 2 to 8 mm, got {spacing}.")
    config = load_config("demo") if config is None else config
    folder = RunFolder(run).claim(resume=resume, overwrite=overwrite)
    table = simulated(
        folder.data, dimensions, config.seed, spacing=spacing, is_kept=resume
    )
    return auto(
        table,
        folder.path,
        config,
        resume=resume,
        network=network,
        with_report=with_report,
    )
