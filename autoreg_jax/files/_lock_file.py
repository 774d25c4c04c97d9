"""A lock file, made in one step and held open while its process runs."""

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from autoreg_jax.files._partial import partial_beside

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

# File systems without hard links say one of these.
_NO_LINKS = (
    *(errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS),
    *(errno.EXDEV, errno.EMLINK, errno.EINVAL, errno.EACCES),
)


def make_lock_file(path: Path, about: dict[str, Any]) -> tuple[TextIO, str] | None:
    """Create the file in one step, and hold it (`flock`) where the system can.

    The key `held` of the file says whether it is held. The file is held before it
    appears: it is made by a hard link, which is one step on network file systems, too.
    The key `inode` shows whether a file is the original or a copy.

    Args:
        path: Of the file.
        about: Its content.

    Returns:
        The open file, which holds it until it is closed, and its text; None if there
        is such a file.

    Raises:
        OSError: If it cannot be written.
    """
    partial = partial_beside(path)
    with contextlib.ExitStack() as stack:
        try:
            with _naming(path):
                file = stack.enter_context(partial.open("x", encoding="utf-8"))
                text = _write(file, about)
            try:
                if not _is_linked(partial, path, text):
                    return None
            except OSError as error:
                if error.errno in _NO_LINKS:
                    return _without_links(path, about)
                with _naming(path):
                    raise
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
        stack.pop_all()
        return file, text


def read_lock_file(path: Path) -> str | None:
    """The content of the file; None where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def is_let_go(path: Path) -> bool:
    """Whether nobody holds the file, of those whose locks this system sees."""
    if fcntl is None:
        return False
    try:
        with path.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_linked(partial: Path, path: Path, text: str) -> bool:
    try:
        os.link(partial, path)
    except FileExistsError:
        # A network may have lost the answer and asked twice.
        return read_lock_file(path) == text
    return True


def _without_links(path: Path, about: dict[str, Any]) -> tuple[TextIO, str] | None:
    with contextlib.ExitStack() as stack, _naming(path):
        try:
            file = stack.enter_context(path.open("x", encoding="utf-8"))
        except FileExistsError:
            return None
        stack.callback(path.unlink)  # what has no text says nothing of its owner
        text = _write(file, about)
        stack.pop_all()
        return file, text


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the lock file in errors of the disk, not the one beside it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno or errno.EIO, reason, str(path)) from error


def _write(file: TextIO, about: dict[str, Any]) -> str:
    """Hold the file, then write its text."""
    held = False
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without such locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
    own = {"held": held, "inode": os.fstat(file.fileno()).st_ino}
    text = json.dumps(about | own, indent=2) + "\n"
    file.write(text)
    file.flush()
    os.fsync(file.fileno())
    return text
