"""The steps of `auto`, one at a time, each from the files of a run to its files."""

import json
from pathlib import Path

from autoreg_jax.config import RunConfig, dump
from autoreg_jax.config import load as load_config
from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import read_json, write_text
from autoreg_jax.inference import RegistrationModel, load_model
from autoreg_jax.programs import training_lambda
from autoreg_jax.runtime import RunFolder
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows._auto import open_run
from autoreg_jax.workflows._search import SearchResult, search
from autoreg_jax.workflows._train import train
from autoreg_jax.workflows.evaluation import Evaluation, evaluate
from autoreg_jax.workflows.planning import prepare_again


def config_of(run: Path | str) -> RunConfig:
    """The settings of a run.

    Raises:
        ArtifactError: If the folder contains no run.
        ConfigError: If config.yaml is wrong.
    """
    path = RunFolder(run).config
    if not path.is_file():
        raise ArtifactError(
            f"{run}: contains no run ({path.name} is missing); start one with "
            f"`autoreg search DATASET -o {run}` or `autoreg auto DATASET -o {run}`."
        )
    return load_config(path)


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
    splits = ("train", "validation")
    prepared = open_run(
        dataset, run, config, *splits, resume=resume, overwrite=overwrite
    )
    folder = RunFolder(run)
    cohort, validation = prepared.cohorts
    found = search(cohort, validation, prepared.config, run=folder.path, resume=resume)
    folder.write_provenance(config.seed, dataset)
    return found


def train_run(
    run: Path | str,
    config: RunConfig | None = None,
    *,
    dataset: Path | str | None = None,
    resume: bool = False,
) -> RegistrationModel:
    """Train the network whose search in a run folder is finished.

    Args:
        run: Folder of the run.
        config: New settings, kept in config.yaml; default: those of the run.
        dataset: Where its data are; default: where the search found them.
        resume: Resume the training in this folder.

    Returns:
        The trained model.

    Raises:
        ArtifactError: If the search is not finished, its files are damaged, the folder
            contains a training and `resume` is not given, or the dataset is unknown.
        AutoRegError: As `auto`.
    """
    folder = RunFolder(run)
    config = config_of(run) if config is None else config
    objective, content = read_json(folder.objective), read_json(folder.genotype)
    try:
        genotype = Genotype.from_json(json.dumps(content))
        lam = {name: float(objective["lam"][name]) for name in objective["lam"]}
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{run}: genotype.json or objective.json is damaged ({error}); search "
            "again."
        ) from error
    if not resume and any(record["stage"] == "train" for record in folder.records()):
        raise ArtifactError(
            f"{run}: already contains a training; use --resume to resume it, or search "
            "in another folder."
        )
    source = _dataset_of(folder, dataset)
    prepared = prepare_again(source, folder.path, config, "train", "validation")
    write_text(folder.config, dump(config))
    cohort, validation = prepared.cohorts
    model = train(
        cohort,
        prepared.config,
        genotype,
        training_lambda(config, lam),
        validation=validation,
        run=folder.path,
        resume=resume,
    )
    folder.write_provenance(config.seed, source)
    return model


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
    folder = RunFolder(run)
    config = config_of(run) if config is None else config
    model = load_model(run)
    source = _dataset_of(folder, dataset)
    prepared = prepare_again(source, folder.path, config, config.evaluate.split)
    (cohort,) = prepared.cohorts
    found = evaluate(cohort, model, prepared.config, run=folder.path)
    folder.write_provenance(config.seed, source)
    return found


def _dataset_of(folder: RunFolder, dataset: Path | str | None) -> Path:
    """The dataset of a run: as given, else as its provenance says."""
    found = folder.dataset() if dataset is None else Path(dataset)
    if found is None:
        raise ArtifactError(
            f"{folder}: does not say which dataset it belongs to; give it with "
            "--dataset."
        )
    return found
