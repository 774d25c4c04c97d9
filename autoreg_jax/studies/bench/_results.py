"""The results of a method on disk, one line for each pair."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.files import (
    append_record,
    read_arrays,
    read_records,
    write_file,
    write_text,
)
from autoreg_jax.studies.bench._methods import Method

Pair = tuple[str, str]


class Results:
    """The results of one method; the first result creates the file.

    `header` is empty before it; `of_pair` has records by moving and fixed subject.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._path = folder / "methods" / f"{name}.jsonl"
        self._failure = folder / "methods" / f"{name}.failed.txt"
        self._example = folder / "methods" / f"{name}.example.npz"
        lines = read_records(self._path)
        self.header: dict[str, Any] = lines[0] if lines else {}
        self.of_pair: dict[Pair, dict[str, Any]] = {
            (str(line.get("moving")), str(line.get("fixed"))): line
            for line in lines[1:]
        }

    def begin(self, method: Method, threads: int) -> None:
        """Continue with this method, or refuse to mix it with another."""
        identity = method.settings if method.identity is None else method.identity
        about: dict[str, Any] = {
            "identity": dict(identity),
            "parameters": method.parameters,
            "threads": threads,
        }
        about = json.loads(json.dumps(about))
        if self.header and self.header != about:
            raise ConfigError(
                f"{self._path}: contains results of other settings, weights, versions "
                f"or threads ({_difference(self.header, about)}); name another folder, "
                "or remove this file."
            )
        self._failure.unlink(missing_ok=True)
        if not self.header:
            self._pending = about

    def add(self, record: Mapping[str, Any], displacement: np.ndarray) -> None:
        """Store the result of a pair, and the first displacement for a figure."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self.header:
            example = {
                "displacement": displacement.astype(np.float32),
                "moving": record["moving"],
                "fixed": record["fixed"],
            }
            write_file(self._example, lambda f: np.savez_compressed(f, **example))
            append_record(self._path, self._pending)
            self.header = self._pending
        append_record(self._path, record)
        self.of_pair[record["moving"], record["fixed"]] = dict(record)

    @property
    def failure(self) -> str:
        """The reason of the last failure; empty if there was none."""
        if not self._failure.is_file():
            return ""
        return self._failure.read_text(encoding="utf-8").strip()

    def fail(self, reason: str) -> None:
        """Store why there is no further result."""
        write_text(self._failure, f"{reason}\n")

    def example(self) -> tuple[Pair, np.ndarray] | None:
        """The first pair and its displacement, if there is a result."""
        if not self._example.is_file():
            return None
        try:
            found = read_arrays(self._example)
            pair = str(found["moving"]), str(found["fixed"])
            return pair, found["displacement"]
        except (LookupError, OSError, ValueError) as error:
            raise ArtifactError(
                f"{self._example}: cannot be read ({error}); remove it."
            ) from error


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The keys whose values differ, with both values."""
    keys = [key for key in other if one.get(key) != other[key]]
    return "; ".join(f"{key}: {one.get(key)} there, {other[key]} now" for key in keys)
