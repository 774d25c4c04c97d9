"""The steps of `auto`, one at a time, each from the files of a run to its files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.errors import ArtifactError, ConfigError, DataError
from autoreg_jax.files import write_text
from autoreg_jax.inference import RegistrationModel, load_model
from autoreg_jax.programs import training_lambda
from autoreg_jax.runtime import RunFolder, owns
from autoreg_jax.workflows._artifacts import write_config
from autoreg_jax.workflows._auto import open_run
from autoreg_jax.workflows._from_model import begin_from
from autoreg_jax.workflows._journal import Journal
from autoreg_jax.workflows._search import SearchResult, search
from autoreg_jax.workflows._stored import config_of, dataset_of, found_of
from autoreg_jax.workflows._train import train
from autoreg_jax.workflows.evaluation import (
    Evaluation,
    evaluate,
    smoothness_front,
)
from autoreg_jax.workflows.planning import prepare_again
from autoreg_jax.workflows.refinement import search_refinement
from autoreg_jax.workflows.training import check_continued
from autoreg_jax.workflows.trials import (
    adopt,
    found_similarity,
    keep_settings,
    trained_winner,
)


@owns()
def search_run(
    dataset: Path | str,
    run: Path | str,
    config: RunConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> SearchResult:
    """Plan a run and search its architecture and loss weights.

    Args:
        dataset: Anything that `read_dataset` reads, with the splits train and
            validation.
        run: Folder of the run.
        config: Its settings.
        resume: Resume the search in this folder.
        overwrite: Move an existing run to previous-N.

    Returns:
        The result, as in genotype.json and objective.json.

    Raises:
        ConfigError: If the run to be resumed has other settings.
        AutoRegError: As `auto`.
    """
    splits, folder = ("train", "validation"), RunFolder(run)
    prepared = open_run(
        dataset, run, config, *splits, resume=resume, overwrite=overwrite
    )
    cohort, validation = prepared.cohorts
    found = search(cohort, validation, prepared.config, run=folder.path, resume=resume)
    folder.write_provenance(config.seed, dataset)
    return found


@owns()
def train_run(
    run: Path | str,
    config: RunConfig | None = None,
    *,
    dataset: Path | str | None = None,
    resume: bool = False,
    initial: Path | str | None = None,
    more: int | None = None,
) -> RegistrationModel:
    """Train the network whose search in a run folder is finished, or that of a model.

    With `config.evaluate.refine.search` the smoothness of its refinement is searched.

    Args:
        run: Folder of the run.
        config: New settings, kept in config.yaml; default: those of the run.
        dataset: Where its data are; default: where the search found them.
        resume: Resume the training in this folder, also one that started from a model.
        initial: Folder of a model: a new run continues its training on the data of
            this run. Its network is kept, whatever `config.network` is, and its λ if
            the data call for the same similarity, but for weights that `config` sets.
        more: Steps for which a finished training is continued. Its schedule, and its
            time if `config.train.minutes` limits it, begin again; the state of the
            optimizer, averages and the best weights stay.

    Returns:
        The trained model.

    Raises:
        ArtifactError: If the search is not finished, its files are damaged, the folder
            contains a training and `resume` is not given, the dataset is unknown, or
            there is no model `initial` or it does not fit the images.
        ConfigError: If two of `resume`, `initial` and `more` are given, or if a
            training would continue with another network.
        GeometryError: If the model is of images with another number of axes.
        AutoRegError: As `auto`.
    """
    folder = RunFolder(run)
    if (initial is not None) + (more is not None) + resume > 1:
        raise ConfigError(
            "--from, --more and --resume exclude each other: start a training "
            "from a model, continue a finished one, or resume an interrupted one."
        )
    if initial is not None:
        config = begin_from(initial, folder, config or RunConfig(), dataset)
    config = config_of(run) if config is None else config
    if more is not None:
        config, resume = _with_more(folder, config, more), True
    if resume:
        check_continued(config_of(run), config, folder, more=more is not None)
    found = found_of(folder)
    model = found.initial
    if not resume and any(record["stage"] == "train" for record in folder.records()):
        raise ArtifactError(
            f"{run}: already contains a training; use --resume to resume it, or search "
            "in another folder."
        )
    source = dataset_of(folder, dataset)
    winner = trained_winner(folder)
    if winner is not None and not resume and model is None and config == config_of(run):
        adopt(Journal(folder.path), winner)
        if config.evaluate.refine.search.moves:
            prepared = prepare_again(source, folder.path, config, "validation")
            (validation,) = prepared.cohorts
            winner = search_refinement(validation, winner, config, run=folder.path)
        folder.write_provenance(config.seed, source)
        return winner
    prepared = prepare_again(source, folder.path, config, "train", "validation")
    before = folder.config.read_text(encoding="utf-8")
    pairs = folder.pairs.read_text(encoding="utf-8") if folder.pairs.is_file() else None
    write_config(folder, config)
    prepared.write_plan(folder.path)
    cohort, validation = prepared.cohorts
    try:
        trained = train(
            cohort,
            found_similarity(folder, config, prepared.config),
            found.genotype,
            training_lambda(config, found.lam, found.lam_start),
            validation=validation,
            run=folder.path,
            resume=resume,
            initial=model,
        )
    except (ArtifactError, ConfigError, DataError):
        write_text(folder.config, before)  # nothing was trained with the new one
        if pairs is not None:
            write_text(folder.pairs, pairs)
        raise
    keep_settings(folder)
    trained = search_refinement(validation, trained, config, run=folder.path)
    folder.write_provenance(config.seed, source)
    return trained


def _with_more(folder: RunFolder, config: RunConfig, more: int) -> RunConfig:
    """The settings with which a finished training is continued."""
    records = [record for record in folder.records() if record["stage"] == "train"]
    last = records[-1] if records else {}
    is_over = (
        last.get("step") == config_of(folder.path).train.steps or "stopped" in last
    )
    if not is_over or not folder.model.is_dir():
        raise ArtifactError(
            f"{folder}: contains no finished training to continue; start or resume "
            "it first."
        )
    if more < 1:
        raise ConfigError(f"--more: must be at least 1 step, got {more}.")
    step = last["step"]
    train = replace(config.train, steps=step + more, restart=step)
    return replace(config, train=train)


@owns(is_there=True)
def evaluate_run(
    run: Path | str,
    config: RunConfig | None = None,
    *,
    dataset: Path | str | None = None,
) -> Evaluation:
    """Evaluate the trained network of a run on pairs that it has not seen.

    Args:
        run: Folder of the run.
        config: Settings of this evaluation; default: those of the run.
        dataset: Where its data are; default: where the search found them.

    Returns:
        The evaluation, as in evaluation.json and its tables.

    Raises:
        ArtifactError: If there is no trained model, or the dataset is unknown.
        AutoRegError: As `auto`.
    """
    folder, model = RunFolder(run), load_model(run)
    config, source, cohort = _scored(folder, config, dataset)
    found = evaluate(cohort, model, config, run=folder.path)
    folder.write_provenance(config.seed, source)
    return found


@owns(is_there=True)
def smoothness_run(
    run: Path | str,
    factors: Sequence[float],
    config: RunConfig | None = None,
    *,
    dataset: Path | str | None = None,
) -> list[dict[str, Any]]:
    """Evaluate the trained network of a run under several weights of the smoothness.

    Args:
        run: Folder of the run.
        factors: On the weight of the training, see `smoothness_front`.
        config: Settings of this evaluation; default: those of the run.
        dataset: Where its data are; default: where the search found them.

    Returns:
        A row for each factor, as in smoothness.json and smoothness.csv.

    Raises:
        ArtifactError: If there is no trained model, or the dataset is unknown.
        ConfigError: If the model was trained for one smoothness alone, or a factor is
            out of its range.
        AutoRegError: As `auto`.
    """
    folder, model = RunFolder(run), load_model(run)
    for factor in factors:
        model.with_smoothness(factor)  # before images are read
    config, source, cohort = _scored(folder, config, dataset)
    found = smoothness_front(cohort, model, config, factors, run=folder.path)
    folder.write_provenance(config.seed, source)
    return found


def _scored(
    folder: RunFolder, config: RunConfig | None, dataset: Path | str | None
) -> tuple[RunConfig, Path, Cohort]:
    """Settings, dataset and subjects of an evaluation."""
    config = config_of(folder.path) if config is None else config
    source = dataset_of(folder, dataset)
    prepared = prepare_again(source, folder.path, config, config.evaluate.split)
    (cohort,) = prepared.cohorts
    return prepared.config, source, cohort
