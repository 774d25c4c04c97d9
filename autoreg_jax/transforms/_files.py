"""Errors of files that cannot be read."""

__all__ = ["unreadable"]


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
