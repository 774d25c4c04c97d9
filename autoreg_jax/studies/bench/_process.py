"""A method in a process of its own, which may fail, hang or run out of memory."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import autoreg_jax
from autoreg_jax.baselines.adapters.__main__ import NOT_INSTALLED
from autoreg_jax.errors import ConfigError
from autoreg_jax.studies.bench._methods import Method

_POLL_SECONDS = 0.01
_MEGABYTE = 2**20


class MethodFailedError(Exception):
    """A method returned no displacement; the text gives the reason."""


class Limits(NamedTuple):
    """Resources of a method.

    Attributes:
        seconds: For one pair, the start of the process included.
        megabytes: Address space; None: no limit.
        threads: Processors.
    """

    seconds: float
    megabytes: int | None
    threads: int

    @classmethod
    def checked(
        cls,
        seconds: float = 3600.0,
        megabytes: int | None = None,
        threads: int | None = None,
    ) -> "Limits":
        """Limits within those of this process; by default all its processors.

        Raises:
            ConfigError: If a limit is not positive.
        """
        processors = (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
        threads = processors if threads is None else threads
        if seconds <= 0 or threads < 1:
            raise ConfigError(
                "seconds must be above 0 and threads at least 1, got "
                f"{seconds:g} and {threads}."
            )
        if megabytes is not None and megabytes < 1:
            raise ConfigError(f"megabytes must be at least 1, got {megabytes}.")
        return cls(seconds, megabytes, min(threads, processors))


class Answer(NamedTuple):
    """The registration of one pair.

    `displacement` is `(*space, d)` in voxels. `seconds` are those of the registration
    alone; `elapsed`, until the answer, contains the start of the process for the first
    one. `peak_memory_bytes` is that of the process so far.
    """

    displacement: np.ndarray
    seconds: float
    elapsed: float
    peak_memory_bytes: int


class MethodProcess:
    """Runs one method on pair after pair; a context manager that ends the process.

    Args:
        method: What to run.
        limits: The process is ended when it exceeds them.
        folder: For the files that are exchanged; must exist.
    """

    def __init__(self, method: Method, limits: Limits, folder: Path) -> None:
        self._limits, self._folder, self._source = limits, folder, method.source
        self._stderr = folder / "stderr.txt"
        self._begin = time.monotonic()
        self.calls = 0
        size = (limits.megabytes or 0) * _MEGABYTE
        words = [sys.executable, "-m", "autoreg_jax.baselines.adapters", method.module]
        with self._stderr.open("wb") as errors:
            self._process = subprocess.Popen(
                [*words, json.dumps(method.settings), str(size)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=_environment(limits.threads),
                start_new_session=True,  # its own children end with it
            )

    def __enter__(self) -> "MethodProcess":
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def register(
        self, fixed: np.ndarray, moving: np.ndarray, spacing: tuple[float, ...]
    ) -> Answer:
        """Register one pair.

        Args:
            fixed: `(*space,)` in [0, 1].
            moving: The same shape.
            spacing: mm.

        Returns:
            The answer.

        Raises:
            MethodFailedError: If there is none, for whatever reason; the process has
                ended then.
        """
        begin = time.monotonic() if self.calls else self._begin
        self.calls += 1
        pair = self._folder / f"{self.calls}.npz"
        answer = pair.with_suffix(".answer.npz")
        np.savez(pair, fixed=fixed, moving=moving, spacing=np.asarray(spacing))
        stdin: Any = self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # it has ended, as is seen below
            stdin.write(f"{pair}\n".encode())
            stdin.flush()
        while not answer.exists():
            if self._process.poll() is not None and not answer.exists():
                raise MethodFailedError(self._reason())
            if time.monotonic() - begin > self._limits.seconds:
                self._end()
                limit = f"{self._limits.seconds:g} s"
                raise MethodFailedError(f"not finished within its limit of {limit}")
            time.sleep(_POLL_SECONDS)
        elapsed = time.monotonic() - begin
        with np.load(answer) as file:
            displacement = file["displacement"]
            seconds, memory = float(file["seconds"]), int(file["peak_memory_bytes"])
        for path in (pair, answer):
            path.unlink()
        return Answer(displacement, seconds, elapsed, memory)

    def _reason(self) -> str:
        """Why the process has ended: its last message, if there is one."""
        code = self._process.returncode
        text = self._stderr.read_text(errors="replace").strip().splitlines()
        said = text[-1].strip() if text else ""
        if code == NOT_INSTALLED:
            return f"{said}; to get it: {self._source}" if self._source else said
        limit = self._limits.megabytes
        note = f" (its limit of memory is {limit} MB)" if limit else ""
        if code < 0:
            known = {number.value: number.name for number in signal.Signals}
            return f"ended by {known.get(-code, f'signal {-code}')}{note}"
        if "out of memory" in said:
            return f"out of memory{note}"
        return said or f"ended with exit code {code}{note}"

    def _end(self) -> None:
        """End the process and its children."""
        stdin: Any = self._process.stdin
        with contextlib.suppress(OSError):
            stdin.close()
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                if hasattr(os, "killpg"):
                    os.killpg(self._process.pid, signal.SIGKILL)
                else:
                    self._process.kill()
        self._process.wait()


def _environment(threads: int) -> dict[str, str]:
    """That of this process, with its module path and the number of threads."""
    paths = [str(Path(autoreg_jax.__file__).parents[1]), *filter(None, sys.path)]
    names = (
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
    )
    return (
        # The process that computes the scores holds most of an accelerator already.
        {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        | os.environ
        | dict.fromkeys(names, str(threads))
        | {"PYTHONPATH": os.pathsep.join(paths)}
    )
