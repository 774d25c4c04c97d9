"""What the files of a run say: settings, architecture, data."""

import json
from pathlib import Path

from autoreg_jax.config import RunConfig
from autoreg_jax.config import load as load_config
from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import read_json
from autoreg_jax.runtime import RunFolder
from autoreg_jax.search_space import Genotype
from autoreg_jax.spaces import changed
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
    return changed(load_config(path), found_settings(RunFolder(run)))


def genotype_of(folder: RunFolder) -> Genotype:
    return Genotype.from_json(json.dumps(read_json(folder.genotype)))


def dataset_of(folder: RunFolder, dataset: Path | str | None) -> Path:
    """The dataset of a run: as given, else as its provenance says."""
    found = folder.dataset() if dataset is None else Path(dataset)
    if found is None:
        raise ArtifactError(
            f"{folder}: does not say which dataset it belongs to; give it with "
            "--dataset."
        )
    return found
