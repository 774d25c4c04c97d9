"""Stand-ins for programs of others; each is opened in a process of its own."""

import os
import signal
import time

import numpy as np


def _fail():
    raise RuntimeError("two\nlines")


_DEEDS = {
    "sleep": lambda u: time.sleep(60),
    "eat": lambda u: np.ones(10_000_000_000),
    "crash": lambda u: os.kill(os.getpid(), signal.SIGSEGV),
    "raise": lambda u: _fail(),
    "nan": lambda u: np.full_like(u, np.nan),
    "shape": lambda u: u[..., 0],
    "threads": lambda u: u + len(os.sched_getaffinity(0)),
}


def open_method(settings):
    """Shift every voxel, and from a certain pair on do as `settings["kind"]` says."""
    if settings["kind"] == "missing":
        raise ImportError("No module named 'a_package'", name="a_package")
    deed = _DEEDS.get(settings["kind"], lambda u: u)
    count = 0

    def register(fixed, moving, spacing):
        nonlocal count
        count += 1
        assert fixed.shape == moving.shape
        assert len(spacing) == fixed.ndim
        displacement = np.zeros((*fixed.shape, fixed.ndim), np.float32)
        displacement += settings.get("by", 0)
        return (
            displacement if count < settings.get("from_pair", 1) else deed(displacement)
        )

    return register
