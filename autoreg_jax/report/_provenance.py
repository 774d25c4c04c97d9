"""Flatten the provenance of a run into a table for reading."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from autoreg_jax.report._words import STAGES, duration


def provenance_rows(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List every entry as name and text; nested names are joined, times are spelled.

    Examples:
        >>> provenance_rows({"seed": 3, "seconds": {"train": 90.0}})
        [('seed', '3'), ('seconds · Training', '1 min 30 s')]
    """
    return list(_flatten((), provenance))


def command_text(provenance: Mapping[str, Any] | None) -> str | None:
    """The command that made the run as one line, or None."""
    command = (provenance or {}).get("command")
    if isinstance(command, str):
        return command
    if isinstance(command, Sequence):
        return shlex.join(str(part) for part in command)
    return None


def _flatten(path: tuple[str, ...], value: Any):
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten((*path, str(key)), item)
        return
    is_time = any("seconds" in part for part in path)
    if path == ("command",):
        text = command_text({"command": value})
    elif is_time and isinstance(value, int | float) and not isinstance(value, bool):
        text = duration(value)
    elif isinstance(value, list):
        text = ", ".join(str(item) for item in value)
    else:
        text = "–" if value is None else str(value)
    # Only the group is a phrase; what stands below it may be the name of a package.
    words = [path[0].replace("_", " "), *(STAGES.get(part, part) for part in path[1:])]
    yield " · ".join(words), text or "–"
