"""The only writer: a new file beside the old one, flushed to disk, then renamed."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

from autoreg_jax.files._partial import partial_beside, remove_partials
from autoreg_jax.files._writer import is_writer


def write_file(
    path: Path | str, write: Callable[[BinaryIO], object], *, by_all: bool = False
) -> Path:
    """Write a file atomically and durably.

    A reader finds the old file or the new one, never a part, also after a crash or a
    power failure: the content goes to a new file of a random name in the same folder,
    is flushed to disk, and replaces the old file by one rename. Several processes may
    write the same file; the last one wins. If anything fails the old file stays as it
    was and the new one is removed.

    Args:
        path: File to write; missing folders are created.
        write: Writes the content into the open binary file that it is given.
        by_all: Also a process that is no writer (`write_here`) writes it. By default it
            leaves the file to the one that is.

    Returns:
        The path.

    Raises:
        OSError: If the file cannot be written, by its end too; `filename` is `path`.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_file(f"{folder}/new/a.txt", lambda f: f.write(b"1"))
        ...     path.read_text()
        '1'
    """
    path = Path(path)
    if not (by_all or is_writer()):
        return path
    partial, waiting = partial_beside(path), _waiting.get()
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not `tempfile`, whose files only their owner may read: "x" applies the
            # umask. "+" keeps NumPy from writing past Python, where the last bytes of
            # an array may be lost on a full disk without an error.
            with partial.open("x+b") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            if waiting is not None:
                if earlier := waiting.pop(path, None):
                    earlier.unlink()
                waiting[path] = partial
                return path
            partial.replace(path)
    finally:
        # Gone after the rename; an error here must not hide the first one.
        if waiting is None or waiting.get(path) != partial:
            with contextlib.suppress(OSError):
                partial.unlink()
    _flush_folder(path.parent)
    return path


# New files by the names that they get at the end of `together`.
_waiting: ContextVar[dict[Path, Path] | None] = ContextVar("_waiting", default=None)


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Let all files that are written inside appear at its end, or none of them.

    They are complete and on disk before the first one gets its name, so that a full
    disk, an error or an interruption leaves the old ones. What killed processes left
    in their folders is removed.

    Raises:
        OSError: If a file cannot be written; `filename` is its path.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with together():
        ...         path = write_text(f"{folder}/a", "1")
        ...         is_there = path.exists()
        ...     is_there, path.exists()
        (False, True)
    """
    if _waiting.get() is not None:
        yield
        return
    files: dict[Path, Path] = {}
    before = _waiting.set(files)
    try:
        yield
        for path, partial in files.items():
            with writing(path):
                partial.replace(path)
        for folder in {path.parent for path in files}:
            _flush_folder(folder)
            remove_partials(folder)
    finally:
        _waiting.reset(before)
        for partial in files.values():
            with contextlib.suppress(OSError):
                partial.unlink()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Let errors name the file that is written, not a temporary one or none."""
    try:
        yield
    except OSError as error:
        text = error.strerror or str(error)  # some errors are only a text
        raise OSError(error.errno or errno.EIO, text, str(path)) from error


def write_bytes(
    path: Path | str, content: bytes | bytearray, *, by_all: bool = False
) -> Path:
    """Write bytes as `write_file` does."""
    return write_file(path, lambda file: file.write(content), by_all=by_all)


def write_text(path: Path | str, text: str, *, by_all: bool = False) -> Path:
    """Write a text in UTF-8 as `write_file` does; line ends stay as they are.

    Names of files that are not UTF-8 are written as the bytes that they are.
    """
    return write_bytes(path, text.encode(errors="surrogateescape"), by_all=by_all)


def _flush_folder(folder: Path) -> None:
    """Make a rename durable, where the system can: Windows and some networks cannot."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def flush_to_disk(path: Path) -> None:
    """Make what was appended to a file durable; nothing where there is no file.

    Raises:
        OSError: If it cannot be written; `filename` is `path`.
    """
    with writing(path), contextlib.suppress(FileNotFoundError):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        _flush_folder(path.parent)
