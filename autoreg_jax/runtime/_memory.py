"""Main memory: what is free, and what this process holds."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["free_memory", "resident_memory"]

_PROCESS, _KERNEL = Path("/proc/self"), Path("/proc/meminfo")
_GROUPS = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Bytes of main memory that this process may still take.

    On Linux what the kernel calls available, and no more than what is left of the limit
    of a control group, such as that of a container or of a job of a cluster. Elsewhere
    all the memory that the machine has.

    Returns:
        Bytes; None where it is not known.
    """
    found = list(_left_in_groups())
    if _KERNEL.is_file():
        found += [_number(line) for line in _lines(_KERNEL, "MemAvailable:")]
    elif sys.platform != "win32":
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found, default=None)


def resident_memory() -> int | None:
    """Bytes of main memory that this process holds; None where it is not known."""
    lines = _lines(_PROCESS / "status", "VmRSS:")
    return _number(lines[0]) if lines else None


def _left_in_groups() -> Iterator[int]:
    """Bytes that are left of each limit, of the groups of this process and theirs.

    Pages of files that were not used lately count as used, but are given back.
    """
    for line in _lines(_PROCESS / "cgroup", ""):
        _, kind, name = line.split(":", 2)
        if kind not in ("", "memory"):
            continue
        root = _GROUPS / kind
        most, used, cache = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
            if kind
            else ("memory.max", "memory.current", "inactive_file ")
        )
        own = root / name.lstrip("/")
        for folder in (own, *own.parents):
            limit, held = (_lines(folder / part, "") for part in (most, used))
            if limit and held and limit[0].isdigit():
                pages = _lines(folder / "memory.stat", cache)
                given_back = int(pages[0].split()[1]) if pages else 0
                yield max(0, int(limit[0]) - int(held[0]) + given_back)
            if folder == root:
                break


def _lines(path: Path, start: str) -> list[str]:
    """Lines of a file that begin so; none of a file that cannot be read."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    return [line for line in lines if line.startswith(start)]


def _number(line: str) -> int:
    """`MemAvailable:  123 kB` in bytes."""
    return 1024 * int(line.split()[1])
