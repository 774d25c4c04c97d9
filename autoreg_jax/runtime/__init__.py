"""What a run needs from its host: folders, records, checkpoints, progress, checks."""

from autoreg_jax.files import (
    append_record,
    read_json,
    read_records,
    write_json,
    write_text,
)
from autoreg_jax.runtime._cache import enable_compilation_cache
from autoreg_jax.runtime._checkpoint import Checkpointer
from autoreg_jax.runtime._compilation import quick_compilation
from autoreg_jax.runtime._memory import device_memory
from autoreg_jax.runtime._progress import progress
from autoreg_jax.runtime._provenance import provenance
from autoreg_jax.runtime._run_folder import RunFolder, claim_run_folder
from autoreg_jax.runtime._selfcheck import Check, selfcheck

__all__ = [
    "Check",
    "Checkpointer",
    "RunFolder",
    "append_record",
    "claim_run_folder",
    "device_memory",
    "enable_compilation_cache",
    "progress",
    "provenance",
    "quick_compilation",
    "read_json",
    "read_records",
    "selfcheck",
    "write_json",
    "write_text",
]
