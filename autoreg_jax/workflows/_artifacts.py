"""Files of a run that say by a digest whether they are as they were written."""

import hashlib
import json
from pathlib import Path

from autoreg_jax.config import RunConfig, dump
from autoreg_jax.config import load as load_config
from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.files import write_json, write_text
from autoreg_jax.inference import RegistrationModel, included_models
from autoreg_jax.runtime import RunFolder
from autoreg_jax.search_space import Genotype

_SEAL = "# sha256 of the lines above: "


def write_genotype(folder: RunFolder, genotype: Genotype) -> None:
    """Write genotype.json."""
    content = json.loads(genotype.to_json())
    write_json(folder.genotype, content, is_sealed=True)


def genotype_digest(genotype: Genotype | str) -> str:
    """Digest by which objective.json names the genotype that was found with it."""
    text = genotype if isinstance(genotype, str) else genotype.to_json()
    return _digest(text)


def model_origin(
    path: Path | str, model: RegistrationModel, folder: RunFolder
) -> dict[str, str]:
    """Which model it is, as provenance.json of a folder says it."""
    is_included = str(path) in included_models() and not Path(path).is_dir()
    place = {"included": str(path)} if is_included else {"path": folder.relative(path)}
    return place | {"sha256": model.digest}


def write_config(folder: RunFolder, config: RunConfig) -> None:
    """Write config.yaml."""
    text = dump(config)
    write_text(folder.config, f"{text}{_SEAL}{_digest(text)}\n")


def read_config(folder: RunFolder) -> RunConfig:
    """Read config.yaml of a run that there is.

    Files of earlier versions, and those that a person wrote, have no digest.

    Raises:
        ArtifactError: If the file is missing, empty, or was changed.
        ConfigError: If a setting is wrong.
    """
    path = folder.config
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ArtifactError(
            f"{path}: is missing, and the folder contains a run; restore it, or start "
            "again with --overwrite."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file ({error}).") from None
    if not text.strip(" \t\r\n\0"):
        raise ArtifactError(
            f"{path}: is empty, so the settings of the run are not known; restore it, "
            "or start again with --overwrite."
        )
    settings, sign, digest = text.rpartition(_SEAL)
    if sign and digest.strip() != _digest(settings):
        raise ArtifactError(
            f"{path}: was changed since the run wrote it; restore it and give other "
            "settings by --set, or remove its last line to use it as it is."
        )
    return load_config(path)


def check_config(folder: RunFolder, *, resume: bool) -> RunConfig | None:
    """The settings of a run that is resumed; None where nothing was begun.

    Raises:
        ArtifactError: As `read_config`.
        ConfigError: As `read_config`.
    """
    is_begun = folder.config.is_file() or bool(folder.records())
    return read_config(folder) if resume and is_begun else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
