"""A method in its own process: pairs in, displacements out.

Call: `python -m autoreg_jax.baselines.adapters MODULE SETTINGS BYTES`, the settings as
JSON, the bytes a limit of the address space (0: none). Each line on standard input is
the file of a pair, `.npz` with `fixed`, `moving` and `spacing`; the answer, with
`displacement`, `seconds` and `peak_memory_bytes`, appears beside it with the ending
`.answer.npz`. The last line on standard error describes an error; exit code 3 means
that something is not installed.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autoreg_jax.files import write_file

NOT_INSTALLED, FAILED = 3, 1
_SIGNAL_AT_DEATH_OF_PARENT = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>


def main(arguments: Sequence[str]) -> int:
    """Serve pairs until standard input ends; 0, `NOT_INSTALLED` or `FAILED`."""
    module, settings, limit = arguments
    _end_with_parent()
    _bind(int(os.environ.get("OMP_NUM_THREADS", "0")))
    if int(limit) and sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (int(limit), int(limit)))
    try:
        register = importlib.import_module(module).open_method(json.loads(settings))
        for line in sys.stdin:
            _answer(register, Path(line.strip()))
    except ImportError as error:
        sys.stderr.write(f"\n{error}\n")
        return NOT_INSTALLED
    except MemoryError:
        sys.stderr.write("\nout of memory\n")
        return FAILED
    except Exception as error:  # whatever a program raises becomes a row
        text = " ".join(str(error).split())
        sys.stderr.write(f"\n{type(error).__name__}: {text}\n")
        return FAILED
    return 0


def _end_with_parent() -> None:
    """On Linux: a program may work on a pair for hours after its parent has died."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SIGNAL_AT_DEATH_OF_PARENT, signal.SIGKILL)


def _bind(threads: int) -> None:
    """Restrict this process to so many processors, whatever the program asks for."""
    if threads and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _answer(register, path: Path) -> None:
    """Register one pair; the answer appears at once or not at all."""
    with np.load(path) as file:
        fixed, moving = (file[name].astype(np.float32) for name in ("fixed", "moving"))
        spacing = tuple(file["spacing"].tolist())
    begin = time.perf_counter()
    displacement = np.asarray(register(fixed, moving, spacing), np.float32)
    seconds = time.perf_counter() - begin
    shape = (*fixed.shape, fixed.ndim)
    if displacement.shape != shape or not np.isfinite(displacement).all():
        raise ValueError(
            f"its displacement of shape {displacement.shape} is not finite or not "
            f"{shape}"
        )
    answer = {
        "displacement": displacement,
        "seconds": seconds,
        "peak_memory_bytes": _peak_memory(),
    }
    target = path.with_suffix(".answer.npz")
    write_file(target, lambda file: np.savez(file, **answer))


def _peak_memory() -> int:
    """Largest resident size of this process or one that it ran, bytes; 0: unknown."""
    if sys.platform == "win32":
        return 0
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    children = unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    status = Path("/proc/self/status")
    if status.is_file():
        # The value of getrusage begins with the size of the parent process.
        lines = status.read_text().splitlines()
        own = next((line for line in lines if line.startswith("VmHWM:")), "")
        if own:
            return max(children, 1024 * int(own.split()[1]))
    return max(children, unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
