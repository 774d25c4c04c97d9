"""Whether a folder can be written, or gone on with."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from autoreg_jax.errors import ConfigError
from autoreg_jax.files import plain_json
from autoreg_jax.geometry import Grid
from autoreg_jax.workflows.cohorts._outputs import SUMMARY, State, read_state

__all__ = ["check_folder"]


def check_folder(
    folder: Path, settings: Mapping[str, Any], grid: Grid, *, resume: bool
) -> State | None:
    """The state to resume from, or None if the folder has no such state.

    Args:
        folder: Of the results.
        settings: What the template is to be.
        grid: Of the template.
        resume: Whether there may be a state.

    Raises:
        ArtifactError: If the state cannot be read.
        ConfigError: If there is one and it is not to be resumed, or it is that of other
            images or settings.
    """
    if not (folder / SUMMARY).is_file():
        return None
    if not resume:
        raise ConfigError(
            f"{folder}: has results already; resume them (resume, --resume), or choose "
            "another folder."
        )
    state, summary = read_state(folder)
    wanted, found = plain_json(settings), summary.get("settings") or {}
    changed = [name for name in wanted if wanted[name] != found.get(name)]
    stored = state.template.grid
    if settings["position"] == "mean":
        # Its centre follows the images.
        place = np.column_stack([stored.affine[:, :3], grid.affine[:, 3]])
        stored = replace(stored, affine=place)
    if not changed and not stored.matches(grid):
        changed = ["reference"]
    if changed:
        raise ConfigError(
            f"{folder}: was begun with other {', '.join(changed)}; give the same ones "
            "to resume it, or choose another folder."
        )
    return state
