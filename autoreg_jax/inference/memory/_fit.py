"""What of a registration fits into the memory that there is."""

from dataclasses import replace
from typing import NamedTuple

from autoreg_jax.errors import MemoryNeededError
from autoreg_jax.inference.memory._estimate import (
    RegistrationMemory,
    RegistrationTask,
    coarsened,
    registration_memory,
)
from autoreg_jax.inference.memory._size import bytes_of, size_in_words
from autoreg_jax.runtime import default_device, free_memory, resident_memory

__all__ = ["Fit", "Limit", "fit", "memory_limit"]

# The grid of an optimisation is halved at most so often.
_MOST_HALVINGS = 3
_GRIDS = ("full", "half of the", "a quarter of the", "an eighth of the")


class Limit(NamedTuple):
    """The memory that a registration may take.

    Attributes:
        host: Bytes of main memory that the process may still take.
        device: Bytes of accelerator memory that it may still take; None on a CPU, or if
            unknown.
        words: What the first number is: "12 GiB are free".
        asked: `max_memory`, if it is what limits.
    """

    host: float
    device: float | None
    words: str
    asked: float | None = None


class Fit(NamedTuple):
    """What fits.

    Attributes:
        coarsening: How often the grid of the optimisation has to be halved.
        memory: The estimate.
        notes: A sentence if it has to be halved.
    """

    coarsening: int
    memory: RegistrationMemory
    notes: tuple[str, ...] = ()


def memory_limit(max_memory: str | float | None = None) -> Limit:
    """What is free, or what is left of `max_memory` after what the process holds.

    Args:
        max_memory: Most main memory of the whole process, see `bytes_of`.

    Raises:
        ConfigError: If it is no amount of memory.
    """
    free = free_memory()
    host = float("inf") if free is None else float(free)
    limit = Limit(host, _free_on_device(), f"{size_in_words(host)} are free")
    if max_memory is None:
        return limit
    asked = bytes_of(max_memory)
    left = max(0.0, asked - (resident_memory() or 0))
    if left >= host:
        return limit
    words = f"{size_in_words(left)} of {size_in_words(asked)} (max_memory) are left"
    return limit._replace(host=left, words=words, asked=asked)


def fit(what: RegistrationTask, limit: Limit, name: str, *, held: float = 0.0) -> Fit:
    """Find the finest grid of the optimisation that fits.

    Args:
        what: The registration as it is asked for.
        limit: What it may take.
        name: Of the pair, for messages.
        held: Bytes of images that are in memory already.

    Returns:
        The halvings that it takes, none if it fits as it is.

    Raises:
        MemoryNeededError: If nothing fits.
    """
    has_accelerator = _has_accelerator()
    tried: list[Fit] = []
    for halvings in range(_MOST_HALVINGS + 1):
        finer, shape = (coarsened(what.working, n) for n in (halvings - 1, halvings))
        if halvings and (not what.similarity or shape == finer):
            break
        each = replace(what, coarsening=halvings)
        memory = registration_memory(each, has_accelerator=has_accelerator)
        memory = memory._replace(host=memory.host - held)
        tried.append(Fit(halvings, memory))
        if _fits(memory, limit):
            notes = (_note(name, tried, limit),) if halvings else ()
            return tried[-1]._replace(notes=notes)
    raise MemoryNeededError(_refusal(name, what, tried, limit))


def _fits(memory: RegistrationMemory, limit: Limit) -> bool:
    on_device = limit.device is None or memory.device <= limit.device
    return memory.host <= limit.host and on_device


def _note(name: str, tried: list[Fit], limit: Limit) -> str:
    """What is done instead, with the numbers."""
    found = tried[-1]
    return (
        f"{name}: refined at {_GRIDS[found.coarsening]} resolution, which takes about "
        f"{_words(found.memory, limit)}; at full resolution it takes about "
        f"{_words(tried[0].memory, limit)}, and {_left(limit)}. The moved image has "
        "full resolution."
    )


def _refusal(name: str, what: RegistrationTask, tried: list[Fit], limit: Limit) -> str:
    """What is lacking, and what would fit."""
    least = tried[-1].memory
    is_device = limit.device is not None and least.device > limit.device
    need, have = least.host, limit.host
    if is_device and limit.device is not None:
        need, have = least.device, limit.device
    factor = 1.1 * (need / max(have, 1.0)) ** (1 / len(what.working))
    coarser = " even with the coarsest refinement" if len(tried) > 1 else ""
    proposal = "close other programs, use a machine with more memory"
    if limit.asked is not None:
        most = size_in_words(limit.asked + need - have)
        proposal = f"allow {most} (--max-memory, max_memory)"
    return (
        f"{name}: registering {_shape(what.fixed)} with {_shape(what.moving)} voxels "
        f"takes about {_words(least, limit)}{coarser}, most of it for {least.stage}, "
        f"and {_left(limit)}; {proposal}, or resample both images to voxels "
        f"{factor:.1f} times as wide and apply the transform to the originals "
        "(autoreg apply)."
    )


def _words(memory: RegistrationMemory, limit: Limit) -> str:
    if limit.device is None or memory.device <= limit.device:
        return f"{size_in_words(memory.host)} of memory"
    return f"{size_in_words(memory.device)} of the memory of the device"


def _left(limit: Limit) -> str:
    if limit.device is None:
        return limit.words
    return f"{limit.words}, {size_in_words(limit.device)} on the device"


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _has_accelerator() -> bool:
    return default_device().platform != "cpu"


def _free_on_device() -> float | None:
    """Bytes that are left on an accelerator."""
    if not _has_accelerator():
        return None
    stats = default_device().memory_stats() or {}
    most, used = (stats.get(name) for name in ("bytes_limit", "bytes_in_use"))
    return None if most is None or used is None else float(most - used)
