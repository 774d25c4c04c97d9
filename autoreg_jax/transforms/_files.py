"""Files that are written whole or not at all, and those that cannot be read."""

import uuid
from pathlib import Path

__all__ = ["unreadable", "write_atomic"]


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


def unreadable(kind: str, error: Exception) -> ValueError:
    """What to raise where a library cannot read a file.

    Args:
        kind: What the file should be.
        error: Of the library; its first line is quoted.

    Returns:
        An error that says what to do.
    """
    reason = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
    return ValueError(
        f"it is no readable {kind} ({reason}); it may be truncated or of another "
        "format. Copy or write it again."
    )
