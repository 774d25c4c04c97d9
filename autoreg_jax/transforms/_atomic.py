"""Files that are written whole or not at all."""

import uuid
from pathlib import Path

__all__ = ["write_atomic"]


def write_atomic(path: Path, content: bytes) -> Path:
    """Write a file so that a reader finds the old or the new one, nothing between.

    Args:
        path: Where to; missing folders are made.
        content: The whole file.

    Returns:
        The path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
