"""How much memory the device has."""

import os
import sys
from pathlib import Path

import jax

# Where a container is told how much it may use.
_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def device_memory() -> tuple[str, int | None]:
    """Kind of the first device and its memory.

    Returns:
        `cpu`, `gpu` or `tpu`, and bytes: of a CPU the main memory that this process may
        use; None where it is not known.
    """
    device = jax.local_devices()[0]
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        return device.platform, stats.get("bytes_limit")
    if sys.platform == "win32":
        return "cpu", None
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if _CONTAINER.is_file() and (limit := _CONTAINER.read_text().strip()).isdigit():
        found = min(found, int(limit))
    return "cpu", found
