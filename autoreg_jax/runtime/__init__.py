"""What a run needs from its host: folder, checkpoints, progress, provenance, device."""

from autoreg_jax.runtime._checkpoint import Checkpointer
from autoreg_jax.runtime._device import (
    default_device,
    device_memory,
    enable_compilation_cache,
    in_single_precision,
    memory_for_images,
    missing_platform,
)
from autoreg_jax.runtime._memory import free_memory, resident_memory
from autoreg_jax.runtime._owner import owns
from autoreg_jax.runtime._placement import (
    MEMBERS,
    ONE_DEVICE,
    PAIRS,
    SPACE,
    Placement,
    local_placement,
    placement,
)
from autoreg_jax.runtime._processes import agreed_clock, join_processes, wait_for_all
from autoreg_jax.runtime._progress import progress
from autoreg_jax.runtime._provenance import package_versions, provenance
from autoreg_jax.runtime._run_folder import RunFolder

__all__ = [
    "MEMBERS",
    "ONE_DEVICE",
    "PAIRS",
    "SPACE",
    "Checkpointer",
    "Placement",
    "RunFolder",
    "agreed_clock",
    "default_device",
    "device_memory",
    "enable_compilation_cache",
    "free_memory",
    "in_single_precision",
    "join_processes",
    "local_placement",
    "memory_for_images",
    "missing_platform",
    "owns",
    "package_versions",
    "placement",
    "progress",
    "provenance",
    "resident_memory",
    "wait_for_all",
]
