"""JSON files and JSON lines that survive an interruption."""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from autoreg_jax.errors import ArtifactError
from autoreg_jax.files._strict import parse_json
from autoreg_jax.files._write import write_text, writing
from autoreg_jax.files._writer import is_writer


def append_record(
    path: str | Path, record: Mapping[str, Any], *, is_durable: bool = True
) -> None:
    """Append one line to a JSON-lines file.

    An incomplete last line, of an interrupted run, is removed first. A process that is
    no writer (`write_here`) does nothing.

    Args:
        path: File, created if missing; its folder must exist.
        record: Numbers, texts, lists, mappings, NumPy and JAX arrays. NaN and
            infinity become null.
        is_durable: Flush it to disk, which takes some milliseconds; else
            `flush_to_disk` does it later.

    Raises:
        OSError: If the file cannot be written; `filename` is `path`.
    """
    if not is_writer():
        return
    line = json.dumps(plain_json(record)).encode() + b"\n"
    with writing(Path(path)), Path(path).open("a+b") as file:
        _drop_cut_line(file)
        file.write(line)
        if is_durable:
            file.flush()
            os.fsync(file.fileno())


def read_records(path: str | Path) -> list[dict[str, Any]]:
    """Read a JSON-lines file, without an incomplete last line.

    Args:
        path: File; if there is none the result is empty.

    Raises:
        ArtifactError: If another line is not a JSON object, or it cannot be read.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error.strerror}); it has to be a file that you "
            "may read."
        ) from None
    records = []
    for number, line in enumerate(lines[:-1], start=1):  # the last has no line end
        try:
            record = parse_json(line)
            if not isinstance(record, dict):
                raise ValueError("no object")
            records.append(record)
        except ValueError as error:
            raise ArtifactError(
                f"{path}: line {number} is not a JSON object ({error}); restore the "
                "file, or run the step again."
            ) from None
    return records


def write_json(
    path: str | Path,
    data: Mapping[str, Any],
    *,
    by_all: bool = False,
    is_sealed: bool = False,
) -> None:
    """Write a JSON file as `write_file` does; values as in `append_record`.

    Args:
        path: File to write.
        data: Its content.
        by_all: As for `write_file`.
        is_sealed: Add `sha256`, a digest of the rest, by which `read_json` notices a
            change.
    """
    content = plain_json(data)
    if is_sealed:
        content |= {"sha256": json_digest(content)}
    write_text(path, json.dumps(content, indent=2) + "\n", by_all=by_all)


def json_digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON object whatever the order of its names, hexadecimal digits."""
    text = json.dumps(plain_json(content), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a JSON file that this program wrote, without the digest of a sealed one.

    Raises:
        ArtifactError: If it is missing or empty, does not hold a JSON object, or was
            changed since it was sealed.
    """
    path = Path(path)
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(
            f"{path}: no such file; run the step that writes it first."
        ) from None
    except OSError as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error.strerror}); change its permissions, or "
            "run the step that writes it again."
        ) from None
    except ValueError as error:
        what = "is empty" if not path.stat().st_size else f"not valid JSON ({error})"
        raise ArtifactError(
            f"{path}: {what}; restore it, or run the step that writes it again."
        ) from None
    if not isinstance(data, dict):
        raise ArtifactError(
            f"{path}: expected a JSON object, found {data!r:.60}; run the step that "
            "writes it again."
        )
    seal = data.pop("sha256", None)
    if seal is not None and seal != json_digest(data):
        raise ArtifactError(
            f"{path}: was changed since it was written; restore it, or run the step "
            "that writes it again."
        )
    return data


def _drop_cut_line(file: Any) -> None:
    """Truncate an open file after its last line end."""
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return
    file.seek(end - 1)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def plain_json(value: Any) -> Any:
    """Convert a value to types of JSON, as `append_record` does.

    Examples:
        >>> plain_json({"a": (1, float("nan"))})
        {'a': [1, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # NumPy and JAX arrays and scalars
        return plain_json(value.tolist())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [plain_json(item) for item in value]
    return value
