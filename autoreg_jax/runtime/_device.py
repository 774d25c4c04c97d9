"""The device and its compiler: memory, cache of compiled programs, options."""

import functools
import hashlib
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Where a container is told how much memory it may use.
_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def default_device() -> Any:
    """The device on which this process computes: the first, or `jax.default_device`.

    Examples:
        >>> with jax.default_device(jax.local_devices()[-1]):
        ...     default_device() == jax.local_devices()[-1]
        True
    """
    config: Any = jax.config
    chosen = config.jax_default_device
    if isinstance(chosen, str):  # the first of a platform
        return jax.local_devices(backend=chosen)[0]
    return jax.local_devices()[0] if chosen is None else chosen


def device_memory() -> tuple[str, int | None]:
    """Kind of the default device and its memory.

    Returns:
        `cpu`, `gpu` or `tpu`, and bytes: on a CPU the main memory that this process may
        use; None where it is not known.
    """
    device = default_device()
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        return device.platform, stats.get("bytes_limit")
    if sys.platform == "win32":
        return "cpu", None
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if _CONTAINER.is_file() and (limit := _CONTAINER.read_text().strip()).isdigit():
        found = min(found, int(limit))
    return "cpu", found


def memory_for_images(
    gibibytes: float | None, found: tuple[str, int | None] | None = None
) -> int:
    """Bytes of images that may lie on a device for a whole run.

    Args:
        gibibytes: As a user has set it. None: a quarter of the memory of an
            accelerator, so that programs have the rest; on a CPU, where a copy from the
            main memory costs little, 1 GiB.
        found: The device as `device_memory` gives it; default: the default device.
    """
    device, memory = found or device_memory()
    if gibibytes is None and device != "cpu" and memory is not None:
        return memory // 4
    return int((1.0 if gibibytes is None else gibibytes) * 2**30)


def in_single_precision(function: _Function) -> _Function:
    """Compute in float32 inside of a function, whatever `jax_enable_x64` says.

    Networks, alignment and stored models are float32; a user may have switched on
    float64 for something else, with `JAX_ENABLE_X64=1` for all programs. Types are
    promoted as usual, too: optax cannot do without.
    """

    @functools.wraps(function)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
            return function(*arguments, **options)

    return wrapped  # pyright: ignore[reportReturnType]


def missing_platform() -> str | None:
    """Why JAX finds no device: a sentence with a remedy; None if it finds one."""
    names = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME")
    name = next((name for name in names if os.environ.get(name)), names[0])
    wanted = os.environ.get(name, "")
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200]
        return (
            f"JAX finds no device of the platform {wanted!r} that {name} asks "
            f"for{f' ({reason})' if reason else ''}. Use {name}=cpu, or unset {name}; "
            "for a GPU install its driver and jax[cuda13]."
        )
    return None


def enable_compilation_cache() -> Path | None:
    """Keep compiled programs on disk; call it before the first computation.

    The folder is `JAX_COMPILATION_CACHE_DIR` if that is set, else one for this kind
    of processor below the user's cache folder (`XDG_CACHE_HOME`, `~/.cache`).

    Returns:
        The folder, or None if there is no cache: `AUTOREG_NO_CACHE` is set, or the
        folder cannot be created.
    """
    if os.environ.get("AUTOREG_NO_CACHE"):
        return None
    if chosen := os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return Path(chosen)
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        folder = root / "autoreg_jax" / f"jax-{_processor()}"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # read-only, or there is no home
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    return folder


def _processor() -> str:
    """Name the kind of processor: a home folder may be shared by several kinds.

    A program compiled for one kind may use instructions that another does not have.
    """
    info = Path("/proc/cpuinfo")
    features = platform.processor()
    if info.is_file():
        lines = info.read_text(errors="replace").splitlines()
        wanted = ("flags", "Features", "model name")
        features += "".join(sorted({x for x in lines if x.startswith(wanted)}))
    digest = hashlib.sha256(features.encode()).hexdigest()[:8]
    return f"{platform.machine()}-{digest}"
