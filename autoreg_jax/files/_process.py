"""Which process this is, and whether another one still runs."""

import functools
import hashlib
import os
import socket
import sys
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """Host, place, boot, number and start of this process, values of JSON."""
    pid = os.getpid()
    about = {"host": socket.gethostname(), "place": place(), "boot": boot()}
    return about | {"process": pid, "start": _start(pid)}


@functools.cache
def place() -> str:
    """A digest of what gives numbers to processes: the machine, and its container.

    A name does not say where: machines of one image may share theirs, and containers
    that of their host, although none sees the processes of another.
    """
    known = [socket.gethostname()]
    for read in (_machine, _container):
        try:
            known.append(read())
        except (OSError, ValueError):  # hidden, or another system
            known.append("")
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:16]


def boot() -> str | None:
    """Which start of the system this is, the same in all of its containers.

    None where the system hides it.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def is_here(other: dict[str, Any]) -> bool:
    """Whether a process is one that could be seen from here if it runs.

    Locks of earlier versions have no place.
    """
    host, where = other.get("host"), other.get("place", place())
    is_same = host == socket.gethostname() and where == place()
    return is_same and sys.platform != "win32"


def is_gone(other: dict[str, Any]) -> bool:
    """Whether a process of this place has ended; its number may be another's by now.

    Examples:
        >>> is_gone(this_process())
        False
    """
    pid, start = other.get("process"), other.get("start")
    if not is_here(other) or not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass  # of another user, but there
    return start is not None and _start(pid) != start


def _machine() -> str:
    return Path("/etc/machine-id").read_text().strip()


def _container() -> str:
    return str(Path("/proc/self/ns/pid").readlink())


def _start(pid: int) -> str | None:
    """Boot and ticks at which a process started; None where the system hides it.

    A process that has ended, but was not waited for, gets "ended".
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        # The name of the program, in brackets, may hold anything.
        fields = text.rpartition(")")[2].split()
        if fields[0] in "ZX":
            return "ended"
        begin = boot()
        return None if begin is None else f"{begin}-{fields[19]}"
    except (OSError, IndexError):
        return None
