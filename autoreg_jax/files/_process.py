"""Which process this is, and whether another one still runs."""

import os
import socket
import sys
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """Host, number and start of this process, values of JSON."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "process": pid, "start": _start(pid)}


def is_here(other: dict[str, Any]) -> bool:
    """Whether a process belongs to this host, so that one can see if it runs."""
    return other.get("host") == socket.gethostname() and sys.platform != "win32"


def is_gone(other: dict[str, Any]) -> bool:
    """Whether a process of this host has ended; its number may be another's by now.

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


def _start(pid: int) -> str | None:
    """Boot and ticks at which a process started; None where the system hides it.

    A process that has ended, but was not waited for, gets "ended".
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The name of the program, in brackets, may hold anything.
        fields = text.rpartition(")")[2].split()
        return "ended" if fields[0] in "ZX" else f"{boot}-{fields[19]}"
    except (OSError, IndexError):
        return None
