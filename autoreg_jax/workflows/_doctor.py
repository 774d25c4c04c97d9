"""Checks of the installation: package versions, devices, arithmetic."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.data import ImageCache, default_cache
from autoreg_jax.runtime import missing_platform, package_versions

_ROWS = 40_000  # the known faults begin at 32,768
_EXCLUDED_JAX = ("0.10.2", "0.11.1")


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    name: str
    """What was checked."""

    ok: bool
    """Whether it passed."""

    detail: str
    """What was found and, if the check failed, what to do."""

    seconds: float
    """Time that it took."""


def selfcheck() -> list[Check]:
    """Check the installation, in ten seconds at most.

    Returns:
        One result for each check. A check that raises an error counts as failed.
    """
    return [_run(name, check) for name, check in _CHECKS.items()]


def _run(name: str, check: Callable[[], tuple[bool, str]]) -> Check:
    begin = time.perf_counter()
    try:
        ok, detail = check()
    except Exception as error:  # whatever it is, the user wants to know
        ok, detail = False, f"{type(error).__name__}: {error}"
    return Check(name, ok, detail, time.perf_counter() - begin)


def _packages() -> tuple[bool, str]:
    versions = package_versions()
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        return False, f"not installed: {', '.join(missing)}; pip install autoreg_jax"
    if versions["jax"] in _EXCLUDED_JAX:
        return False, f"jax {versions['jax']} is faulty; pip install --upgrade jax"
    return True, ", ".join(f"{name} {version}" for name, version in versions.items())


def _devices() -> tuple[bool, str]:
    if problem := missing_platform():
        return False, problem
    return True, ", ".join(
        f"{d.platform}:{d.id} {d.device_kind}" for d in jax.devices()
    )


def _vmapped_product() -> tuple[bool, str]:
    """Reproduce https://github.com/jax-ml/jax/issues/39103: an affine on a grid.

    With jax 0.10.2 the last rows held the values of other rows.
    """
    rows = np.zeros((_ROWS, 3), np.float32)
    rows[:, 0] = np.arange(_ROWS)
    matrix = jnp.eye(3)
    product = jax.jit(jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2)))
    return _compare(product(rows), rows[:, 0].astype(np.float64) ** 2)


def _constant_product() -> tuple[bool, str]:
    """Contract with a compile-time constant of equal values.

    The sum was a third of the correct one with jax 0.10.2 and 0.12.0.1. This package
    contains no such product, so the fault is reported but is not a failure.
    """
    rows = (np.arange(3 * _ROWS) % 7).astype(np.float32).reshape(_ROWS, 3)
    ones = jnp.ones((3, 3))
    product = jax.jit(lambda x: (x @ ones.T).sum())
    ok, detail = _compare(product(rows), np.asarray(3.0 * rows.sum(dtype=np.float64)))
    return (
        True,
        detail if ok else f"known fault, of no effect here: {detail}",
    )


def _image_cache() -> tuple[bool, str]:
    """Where preprocessed images are kept, and what they take."""
    folder = default_cache()
    entries, size = ImageCache(folder).size()
    return True, f"{entries} subjects, {size / 2**30:.1f} GiB in {folder}"


def _compare(found: jax.Array, expected: np.ndarray) -> tuple[bool, str]:
    error = np.abs(np.asarray(found, np.float64) - expected).max()
    if error <= 1e-4 * np.abs(expected).max():
        return True, f"{_ROWS} rows, equal to NumPy"
    return False, (
        f"jax {jax.__version__} computes wrong numbers on this machine: off by "
        f"{error:.3g} from NumPy; install another version"
    )


_CHECKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "packages": _packages,
    "devices": _devices,
    "affine on a grid": _vmapped_product,
    "constant matrix": _constant_product,
    "image cache": _image_cache,
}
