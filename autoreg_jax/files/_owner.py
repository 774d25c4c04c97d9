"""One owner of a folder: a lock file that names host, process and start."""

import contextlib
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.files._lock_file import is_let_go, make_lock_file, read_lock_file
from autoreg_jax.files._partial import is_partial, partial_beside, remove_partials
from autoreg_jax.files._process import boot, is_gone, is_here, this_process
from autoreg_jax.files._strict import parse_json
from autoreg_jax.files._writer import is_writer

_LOCK = "owner.json"

# Folders, and the process and its thread that own each: a fork inherits them.
_held: dict[Path, tuple[int, int]] = {}


@contextlib.contextmanager
def owned(folder: Path | str) -> Iterator[None]:
    """Own a folder: no other process that does likewise writes into it meanwhile.

    The lock is the file `owner.json`, made by a hard link, which is one step on network
    file systems, too. The lock of a process that has ended is replaced, even if that
    process ran in another container of this machine. Whether a process of another
    machine still runs cannot be seen, so its lock stays. A thread that owns the folder
    may own it again, but not a process that is forked from it. A process that is no
    writer (`write_here`) leaves the lock to the one that is. Temporary files of
    processes that were killed are removed.

    Args:
        folder: Created if missing, and removed if it is empty at the end.

    Raises:
        ArtifactError: If another process owns the folder, or one of another machine,
            which may have ended; the message names the file to delete.
        ConfigError: If the folder cannot be created or is not writable.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, owned(folder):
        ...     [path.name for path in Path(folder).iterdir()]
        ['owner.json']
    """
    folder = Path(folder).absolute()
    key = folder.resolve()
    me = os.getpid(), threading.get_ident()
    if not is_writer() or _held.get(key) == me:
        yield
        return
    made = make_folder(folder)
    lock = folder / _LOCK
    try:
        file, text = _take(lock, key)
        try:
            _held[key] = me
            remove_partials(folder, depth=2)
            yield
        finally:
            # Another process may own it by now, if a person has deleted the file.
            with contextlib.suppress(OSError):
                if os.getpid() == me[0] and read_lock_file(lock) == text:
                    lock.unlink()
            file.close()
            _held.pop(key, None)
    finally:
        with contextlib.suppress(OSError):
            for path in made if os.getpid() == me[0] else ():
                path.rmdir()


def contents(folder: Path) -> list[Path]:
    """What is in a folder besides its lock and incomplete files, sorted.

    Examples:
        >>> contents(Path("no such folder"))
        []
    """
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [p for p in found if p.name != _LOCK and not is_partial(p)]


def make_folder(folder: Path) -> list[Path]:
    """Create a folder that can be written; those that were missing, the deepest first.

    Raises:
        ConfigError: If it is a file, cannot be created or is not writable.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be created as a run folder ({error.strerror}); choose "
            "another folder."
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{folder}: is not writable; change its permissions, or choose another "
            "folder."
        )
    return missing


def _take(lock: Path, key: Path) -> tuple[TextIO, str]:
    """Make the lock file; it, open, and its text."""
    now = datetime.now(UTC).isoformat(" ", "seconds")
    about = this_process() | {"since": now, "token": secrets.token_hex(8)}
    while True:
        _check_kind(lock)
        found = read_lock_file(lock)
        if found is None:
            made = make_lock_file(lock, about)
            if made is not None:
                return made
            continue
        other = _parsed(found)
        is_own = other.get("process") == os.getpid() and is_here(other)
        is_free = is_gone(other) or (is_own and not _is_held(key))
        if not (is_free or _is_let_go(lock, other)):
            raise ArtifactError(_refusal(lock, other))
        _set_aside(lock, found)


def _is_held(key: Path) -> bool:
    return key in _held and _held[key][0] == os.getpid()


def _check_kind(lock: Path) -> None:
    """Refuse what is no file: a link that leads nowhere is there and cannot be read."""
    try:
        is_file = stat.S_ISREG(lock.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_file:
        raise ArtifactError(
            f"{lock}: must be a regular file, the lock of this folder, and is a link, "
            "a folder or something else; delete or rename it and repeat the command."
        )


def _is_let_go(lock: Path, other: dict[str, Any]) -> bool:
    """Whether a process of another container of this machine has ended.

    All containers of a running system see the same locks, but not each other's
    processes; a container that is started again is another one.
    """
    is_seen = other.get("held") is True and other.get("boot") == boot() is not None
    return is_seen and not is_here(other) and is_let_go(lock)


def _set_aside(lock: Path, text: str) -> None:
    """Remove the lock of a process that has ended, unless it is another's by now."""
    aside = partial_beside(lock)
    with contextlib.suppress(FileNotFoundError):
        lock.rename(aside)
        if read_lock_file(aside) != text:
            with contextlib.suppress(FileExistsError):
                os.link(aside, lock)
        aside.unlink()


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = parse_json(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _refusal(lock: Path, other: dict[str, Any]) -> str:
    """Who owns the folder, and what to do."""
    if not other:
        return (
            f"{lock}: says that the folder is in use, but not by whom; if no process "
            "uses it, delete this file and repeat the command."
        )
    who = f"process {other.get('process')} on {other.get('host')}"
    text = f"{lock.parent}: is in use by {who} since {other.get('since')}; "
    if is_here(other):
        text += "wait until it ends or stop it, or choose another folder."
        with contextlib.suppress(OSError):
            if other.get("inode") not in (None, lock.stat().st_ino):
                text += f" If this folder is a copy of that one, delete {lock}."
        if other.get("start") is None:  # this system does not say whose number it is
            text += f" If that process is another program by now, delete {lock}."
        return text
    return (
        f"{text}whether it still runs cannot be seen from here: if it does not, delete "
        f"{lock} and repeat the command."
    )
