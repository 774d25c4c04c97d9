"""The folder of a run: claimed once, never overwritten by accident."""

import itertools
import os
from pathlib import Path

from autoreg_jax.errors import ArtifactError, ConfigError

PLAN = "plan.yaml"
RUN_FILES = (
    "checkpoints",
    "config.yaml",
    "evaluation.csv",
    "evaluation.json",
    "evaluation_pairs.csv",
    "genotype.json",
    "metrics.jsonl",
    "model",
    "objective.json",
    "panels.npz",
    PLAN,
    "provenance.json",
    "report.html",
)
"""What this program writes into the folder of a run."""


def claim_run_folder(
    folder: str | Path, *, resume: bool = False, overwrite: bool = False
) -> Path:
    """Return a folder that a run may write to, created if missing.

    Nothing is ever deleted. With `overwrite` the files of the earlier run are moved
    to `previous-1`, `previous-2`, ... inside the folder; files that are not of a run
    stay where they are. A folder with a plan alone holds no run yet.

    Args:
        folder: Folder of the run.
        resume: Go on with the run that the folder holds.
        overwrite: Start afresh in a folder that holds a run.

    Raises:
        ConfigError: If `resume` and `overwrite` are both given, or if the folder is a
            file, cannot be made or cannot be written to.
        ArtifactError: If the folder holds a run and neither is given.
    """
    folder = Path(folder)
    if resume and overwrite:
        raise ConfigError("resume and overwrite exclude each other; give one of them.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be the folder of a run ({error.strerror}); name another."
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{folder}: cannot be written to; change its permissions, or name another "
            "folder."
        )
    found = [folder / name for name in RUN_FILES if (folder / name).exists()]
    has_only_plan = [path.name for path in found] == [PLAN]
    if not found or resume or (has_only_plan and not overwrite):
        return folder
    if not overwrite:
        raise ArtifactError(
            f"{folder}: holds a run already ({found[0].name}). Use --resume to go on "
            "with it, --overwrite to move it aside, or name another folder."
        )
    aside = next(
        candidate
        for number in itertools.count(1)
        if not (candidate := folder / f"previous-{number}").exists()
    )
    aside.mkdir()
    for path in found:
        path.rename(aside / path.name)
    return folder
