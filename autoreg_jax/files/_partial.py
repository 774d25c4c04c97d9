"""Names of files that are not complete yet, and what killed processes leave of them."""

import contextlib
import os
import re
import secrets
import socket
from pathlib import Path

from autoreg_jax.files._process import is_gone, place

_NAME = re.compile(r"\.([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{16}\.partial")


def partial_beside(path: Path) -> Path:
    """A new name in the folder of a file, which tells this place and process."""
    own = f"{place()[:8]}-{os.getpid()}-{secrets.token_hex(8)}"
    return path.with_name(f".{own}.partial")


def is_partial(path: Path) -> bool:
    """Whether a file is one that is not complete yet, by its name."""
    return _NAME.fullmatch(path.name) is not None


def remove_partials(folder: Path, *, depth: int = 0) -> None:
    """Remove the incomplete files of processes of this place that have ended.

    Args:
        folder: Where they are looked for; it need not exist.
        depth: How many levels of folders below it are searched, too.
    """
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if depth and entry.is_dir(follow_symlinks=False):
                remove_partials(Path(entry.path), depth=depth - 1)
            elif _is_left(entry.name):
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()


def _is_left(name: str) -> bool:
    found = _NAME.fullmatch(name)
    if found is None or found[1] != place()[:8]:
        return False
    return is_gone({"host": socket.gethostname(), "process": int(found[2])})
