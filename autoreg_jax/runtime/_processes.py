"""Several processes that do one run together."""

import os
import time
from collections.abc import Mapping

import jax
import numpy as np
from jax.experimental import multihost_utils

from autoreg_jax import files
from autoreg_jax.errors import ConfigError

_ADDRESS, _COUNT, _NUMBER = (
    "JAX_COORDINATOR_ADDRESS",
    "JAX_NUM_PROCESSES",
    "JAX_PROCESS_ID",
)


def join_processes() -> None:
    """Join the other processes of this run; call it before the first computation.

    Slurm, Open MPI, Kubernetes and TPU pods tell JAX who they are. Elsewhere the
    environment does: `JAX_COORDINATOR_ADDRESS` (host and port of process 0),
    `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID` (from 0). The first process alone writes
    files, and all have to see its folder.

    Raises:
        ConfigError: If it is not known who the other processes are, or if they do not
            answer.
    """
    words = {name: os.environ.get(name) for name in (_ADDRESS, _COUNT, _NUMBER)}
    known: dict[str, str | int] = {}
    if address := words[_ADDRESS]:
        known["coordinator_address"] = address
        for name, argument in ((_COUNT, "num_processes"), (_NUMBER, "process_id")):
            if word := words[name]:
                known[argument] = _whole(name, word)
    # It would catch SIGTERM, and nothing here asks it.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(**known)  # pyright: ignore[reportArgumentType]
    except (RuntimeError, ValueError) as error:
        raise ConfigError(_cannot_join(words, error)) from None
    files.write_here(jax.process_index() == 0)


def agreed_clock() -> float:
    """Seconds since some moment, the same in all processes.

    Every process has to call it, since what it decides, when to save and when to stop,
    has to be decided alike.
    """
    now = time.monotonic()
    if jax.process_count() == 1:
        return now
    # As whole numbers: without x64 a float64 would lose its seconds.
    words = np.array([now]).view(np.uint32)
    return float(multihost_utils.broadcast_one_to_all(words).view(np.float64)[0])


def wait_for_all(place: str) -> None:
    """Wait until every process has come to the same place."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(place)


def _cannot_join(words: Mapping[str, str | None], error: Exception) -> str:
    """What is missing, or why JAX does not join the processes if nothing is."""
    start = "--distributed: the processes of this run cannot be joined"
    missing = [name for name, word in words.items() if not word]
    reason = " ".join(str(error).split())[:200]
    if not missing or "defined" not in reason:
        return (
            f"{start} ({reason}). Start them by srun or on a TPU pod, or set "
            f"{_ADDRESS}=HOST:PORT of the first process, {_COUNT} and {_NUMBER} in "
            "each."
        )
    hints = {_ADDRESS: f"{_ADDRESS}=HOST:PORT of the first process"}
    wanted = [hints.get(name, name) for name in missing]
    wanted = " and ".join(filter(None, (", ".join(wanted[:-1]), wanted[-1])))
    return (
        f"{start}: no cluster was found, and of the environment {wanted} "
        f"{'is' if len(missing) == 1 else 'are'} missing. Set them in each process, "
        "or start all by srun or on a TPU pod."
    )


def _whole(name: str, word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise ConfigError(f"{name}: must be a whole number, got {word!r}.") from None
