"""What the files of a run say: settings, architecture, data."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from autoreg_jax.config import RunConfig
from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import read_json
from autoreg_jax.inference import RegistrationModel, load_model
from autoreg_jax.runtime import RunFolder
from autoreg_jax.search_space import Genotype
from autoreg_jax.spaces import changed
from autoreg_jax.workflows._artifacts import genotype_digest, read_config
from autoreg_jax.workflows.trials import found_settings


def config_of(run: Path | str) -> RunConfig:
    """The settings of a run, with those that its search has changed.

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
    return changed(read_config(RunFolder(run)), found_settings(RunFolder(run)))


def config_beside(model: Path | str) -> RunConfig:
    """The settings of the run that a model is named by; the defaults without a run."""
    is_run = RunFolder(model).config.is_file()
    return config_of(model) if is_run else RunConfig()


class Found(NamedTuple):
    """What a search has found, or what stands for it.

    Attributes:
        genotype: The architecture; that of `initial`, if there is one.
        lam: λ after the search.
        lam_start: λ before it; None if an earlier version did not say.
        initial: The model that the training starts from.
    """

    genotype: Genotype | str
    lam: dict[str, float]
    lam_start: dict[str, float] | None
    initial: RegistrationModel | None


def found_of(folder: RunFolder) -> Found:
    """Read what a search has found.

    Raises:
        ArtifactError: If a file is missing, damaged or of another run.
    """
    objective = read_json(folder.objective)
    initial = load_model(folder.initial) if folder.initial.is_dir() else None
    try:
        genotype = initial.description.genotype if initial else _genotype(folder)
        lam, start = _weights(objective["lam"]), objective.get("lam_start")
        start = None if start is None else _weights(start)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{folder}: genotype.json or objective.json is damaged ({error}); search "
            "again."
        ) from error
    if objective.get("genotype", genotype_digest(genotype)) != genotype_digest(
        genotype
    ):
        raise ArtifactError(
            f"{folder.objective}: was found with another architecture than that of "
            f"{folder.genotype.name}; restore both files, or search again."
        )
    return Found(genotype, lam, start, initial)


def _genotype(folder: RunFolder) -> Genotype:
    return Genotype.from_json(json.dumps(read_json(folder.genotype)))


def _weights(values: dict[str, Any]) -> dict[str, float]:
    return {name: float(values[name]) for name in values}


def dataset_of(folder: RunFolder, dataset: Path | str | None) -> Path:
    """The dataset of a run: as given, else as its provenance says."""
    found = folder.dataset() if dataset is None else Path(dataset)
    if found is None:
        raise ArtifactError(
            f"{folder}: does not say which dataset it belongs to; give it with "
            "--dataset."
        )
    return found
