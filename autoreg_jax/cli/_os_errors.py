"""Errors of the operating system in sentences: which file, what to do."""

import errno
import os
from pathlib import Path

FAILED, WRONG = 1, 2
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


def explain_os_error(error: OSError) -> tuple[str, int]:
    """A sentence with a remedy, and the exit code.

    Args:
        error: What was raised while a file was read or written.

    Returns:
        The sentence, and 1 if the same command may succeed later, 2 if it is wrong.
    """
    reason = " ".join((error.strerror or str(error)).split())
    name = error.filename
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if text := _of_space(error.errno, reason):
        return (f"{name}: " if name else "") + text, FAILED
    if name is None:
        return f"the system refuses it ({reason}); repeat the command.", FAILED
    if error.errno in _NOT_ALLOWED:
        return f"{name}: {_what_is_not_allowed(Path(name), reason)}", WRONG
    if error.errno == errno.EISDIR:
        return f"{name}: is a folder, a file is needed; name a file in it.", WRONG
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        file = next((p for p in (Path(name), *Path(name).parents) if p.is_file()), name)
        return f"{file}: is a file, a folder is needed; choose another name.", WRONG
    if error.errno == errno.ENAMETOOLONG:
        return f"{name}: the name is too long; choose a shorter one.", WRONG
    if error.errno == errno.ENOENT:
        return f"{name}: does not exist; correct the path.", WRONG
    return f"{name}: {reason}; check the disk and repeat the command.", FAILED


def _of_space(number: int | None, reason: str) -> str:
    """What to do where a file is too large for its place; empty for other errors."""
    if number in (errno.ENOSPC, errno.EDQUOT):
        return (
            "no space left on the device; free some and repeat the command (with "
            "--resume for a run), or choose another folder."
        )
    if number == errno.EFBIG:
        return (
            f"is larger than a file may be here ({reason}); raise the limit (ulimit "
            "-f), or choose a folder on another file system."
        )
    return ""


def _what_is_not_allowed(path: Path, reason: str | None) -> str:
    """Reading a file, entering a folder, or else writing."""
    for folder in reversed(path.absolute().parents):
        if folder.is_dir() and not os.access(folder, os.X_OK):
            return (
                f"cannot be reached, the folder {folder} may not be entered "
                f"({reason}); change its permissions."
            )
    if path.exists() and not os.access(path, os.R_OK):
        return f"cannot be read ({reason}); change its permissions."
    return (
        f"cannot be written ({reason}); change its permissions, or choose another "
        "folder."
    )
