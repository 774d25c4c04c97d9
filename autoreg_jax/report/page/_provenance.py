"""The entries of provenance.json as names and texts."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from autoreg_jax.report._words import STAGES, duration


def provenance_rows(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List every entry as name and text; nested names are joined, times are in words.

    Examples:
        >>> provenance_rows({"seed": 3, "seconds": {"train": 90.0}})
        [('seed', '3'), ('seconds · Training', '1 min 30 s')]
    """
    return list(_flatten((), provenance))


def _flatten(path: tuple[str, ...], value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten((*path, str(key)), item)
        return
    is_time = any("seconds" in part for part in path)
    if path == ("command",):
        text = command_line(value)
    elif is_time and isinstance(value, int | float):
        text = duration(value)
    elif isinstance(value, list):
        text = ", ".join(str(item) for item in value)
    else:
        text = None if value is None else str(value)
    # Only the first name is a phrase; the others may be names of packages.
    words = [path[0].replace("_", " "), *(STAGES.get(part, part) for part in path[1:])]
    yield " · ".join(words), text or "–"


def command_line(command: Any) -> str | None:
    """The command of the run as one line, or None."""
    return shlex.join(map(str, command)) if isinstance(command, list) else command
