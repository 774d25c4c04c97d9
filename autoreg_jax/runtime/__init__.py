"""What a run needs from its host: folder, checkpoints, progress, provenance, device."""

from autoreg_jax.runtime._checkpoint import Checkpointer
from autoreg_jax.runtime._device import (
    device_memory,
    enable_compilation_cache,
    in_single_precision,
    memory_for_images,
    missing_platform,
)
from autoreg_jax.runtime._progress import progress
from autoreg_jax.runtime._provenance import package_versions, provenance
from autoreg_jax.runtime._run_folder import RunFolder

__all__ = [
    "Checkpointer",
    "RunFolder",
    "device_memory",
    "enable_compilation_cache",
    "in_single_precision",
    "memory_for_images",
    "missing_platform",
    "package_versions",
    "progress",
    "provenance",
]
