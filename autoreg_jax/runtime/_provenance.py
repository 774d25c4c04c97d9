"""Origin of a result: versions, machine, commit, command; no user names."""

import getpass
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from autoreg_jax import __version__

PACKAGES = (
    "flax",
    "jax",
    "jaxlib",
    "nibabel",
    "numpy",
    "optax",
    "orbax-checkpoint",
    "scipy",
)


def provenance(command: Sequence[str] | None = None) -> dict[str, Any]:
    """Describe the program and the machine that compute a result.

    Args:
        command: Words of the command line; default: those of this process. The home
            folder is replaced by `~` and the user name by `user`.

    Returns:
        JSON values: `command`, `packages`, `python`, `platform`, `cpu_count`, `devices`
        (kind and number), `commit` (None outside a Git checkout; with `+changes` if
        files differ from it), `decides_bits` (threads, precision of products and
        variables of the environment on which the last bits of a result depend).
    """
    kinds = [device.device_kind for device in jax.devices()]
    return {
        "command": _anonymous(sys.argv if command is None else command),
        "packages": package_versions(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_count": os.cpu_count(),
        "devices": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "commit": _commit(),
        "decides_bits": _decides_bits(),
    }


def _decides_bits() -> dict[str, Any]:
    """Beside seed, versions and devices, what the last bits of a result depend on."""
    names = ("XLA_FLAGS", "OMP_NUM_THREADS", "NVIDIA_TF32_OVERRIDE")
    return {
        "threads": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "matmul_precision": getattr(jax.config, "jax_default_matmul_precision", None),
        "environment": {name: os.environ[name] for name in names if name in os.environ},
    }


def package_versions() -> dict[str, str | None]:
    """Versions of the packages that results depend on; None: not installed."""
    versions: dict[str, str | None] = {"autoreg_jax": __version__}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _anonymous(command: Sequence[str]) -> str:
    program, *arguments = command
    text = " ".join([Path(program).name, *arguments]).replace(str(Path.home()), "~")
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for this user
        return text
    return re.sub(rf"(?<![\w.-]){re.escape(user)}(?![\w.-])", "user", text)


def _commit() -> str | None:
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return None
    head = _git(checkout, "rev-parse", "HEAD")
    if head is None:
        return None
    changes = _git(checkout, "status", "--porcelain", "--untracked-files=no")
    return f"{head}+changes" if changes else head


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
