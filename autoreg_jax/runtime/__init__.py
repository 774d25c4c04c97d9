"""What a run needs from its host: folder, checkpoints, progress, provenance, device."""

from autoreg_jax.files import (
    append_record,
    read_json,
    read_records,
    write_json,
    write_text,
)
from autoreg_jax.runtime._checkpoint import Checkpointer
from autoreg_jax.runtime._device import (
    device_memory,
    enable_compilation_cache,
    quick_compilation,
)
from autoreg_jax.runtime._progress import progress
from autoreg_jax.runtime._provenance import package_versions, provenance
from autoreg_jax.runtime._run_folder import RunFolder

__all__ = [
    "Checkpointer",
    "RunFolder",
    "append_record",
    "device_memory",
    "enable_compilation_cache",
    "package_versions",
    "progress",
    "provenance",
    "quick_compilation",
    "read_json",
    "read_records",
    "write_json",
    "write_text",
]
