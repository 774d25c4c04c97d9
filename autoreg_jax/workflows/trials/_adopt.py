"""The training of the winner becomes that of the run."""

import shutil

from autoreg_jax.config import RunConfig
from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import read_json, write_json
from autoreg_jax.inference import RegistrationModel, load_model
from autoreg_jax.runtime import RunFolder
from autoreg_jax.spaces import Changes, changed
from autoreg_jax.workflows._journal import Journal


def found_settings(folder: RunFolder) -> Changes:
    """Settings that a search by trials has changed, and that config.yaml lacks.

    Raises:
        ArtifactError: If search.json is damaged.
    """
    if not folder.search.is_file():
        return {}
    content = read_json(folder.search)
    try:
        return {} if content.get("is_in_config") else dict(content["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{folder.search}: is damaged ({error!r}); search again."
        ) from None


def keep_settings(folder: RunFolder) -> None:
    """Note that config.yaml has the settings that were found."""
    if folder.search.is_file():
        content = read_json(folder.search) | {"is_in_config": True}
        write_json(folder.search, content, is_sealed=True)


def found_similarity(
    folder: RunFolder, config: RunConfig, planned: RunConfig
) -> RunConfig:
    """Settings after the plan, with the similarity that was found instead of its own.

    Args:
        folder: Of the run.
        config: Settings before the plan, with those that were found.
        planned: The same after the plan.
    """
    name = "objective.similarity"
    if found_settings(folder).get(name) != config.objective.similarity:
        return planned
    return changed(planned, {name: config.objective.similarity})


def trained_winner(folder: RunFolder) -> RegistrationModel | None:
    """The model of a run whose search has trained its winner to the end, if it did.

    Raises:
        ArtifactError: If the model is damaged.
    """
    if not folder.search.is_file():
        return None
    model = _trial(folder).model
    return load_model(model) if (model / "model.json").is_file() else None


def adopt(journal: Journal, model: RegistrationModel) -> None:
    """Take over records, checkpoint and model of the winning trial.

    What is there already, after an interruption, is not taken twice.

    Args:
        journal: Of a run whose search has trained its winner.
        model: That of the winner.
    """
    folder = RunFolder(journal.run or "")
    trial = _trial(folder)
    if (folder.model / "model.json").is_file():
        return
    shutil.copytree(
        trial.checkpoints / "train", folder.checkpoints / "train", dirs_exist_ok=True
    )
    journal.begin("train", 0)
    for record in trial.records():
        if record["stage"] == "train":
            journal.add({k: v for k, v in record.items() if k != "paused"})
    model.save(folder.model)


def _trial(folder: RunFolder) -> RunFolder:
    chosen = read_json(folder.search).get("chosen")
    names = {path.name for path in folder.trials.glob("*")}
    if chosen not in names:
        raise ArtifactError(
            f"{folder.search}: names the trial {chosen!r:.60}, which is not in "
            f"{folder.trials}; restore both, or search again."
        )
    return RunFolder(folder.trials / str(chosen))
