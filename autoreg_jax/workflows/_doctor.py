"""Checks of the installation, and of the folder of a run."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from autoreg_jax.config import load_plan
from autoreg_jax.data import ImageCache, default_cache
from autoreg_jax.errors import ArtifactError, AutoRegError
from autoreg_jax.inference import load_model, stored_digest
from autoreg_jax.runtime import (
    Checkpointer,
    RunFolder,
    in_single_precision,
    missing_platform,
    owns,
    package_versions,
)
from autoreg_jax.workflows._artifacts import read_config
from autoreg_jax.workflows._origin import check_origin
from autoreg_jax.workflows._stored import found_of
from autoreg_jax.workflows.evaluation import read_evaluation

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


@in_single_precision
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
    except AutoRegError as error:
        ok, detail = False, str(error)
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


def _adafactor_pullback() -> tuple[bool, str]:
    """The derivative of Adafactor's step by its gradient, against a difference.

    It was seen to be 13 % off with jax 0.10.1 on a CPU, where XLA fuses it. Nothing
    here differentiates through Adafactor unless `hypergrad.from_optax` is told to, so
    the fault is reported but is not a failure.
    """
    optimizer = optax.adafactor(0.1)
    w, gradient, along, back = np.random.default_rng(0).normal(size=(4, 20))
    weights, first = (jnp.asarray(x, jnp.float32) for x in (w, gradient))
    _, state = optimizer.update(0.5 * first, optimizer.init(weights), weights)

    def step(g: jax.Array) -> jax.Array:
        return jnp.asarray(optimizer.update(g, state, weights)[0])

    pullback = jax.jit(lambda g, v: jax.vjp(step, g)[1](v)[0])
    slope = np.asarray(pullback(first, jnp.asarray(back, jnp.float32))) @ along
    ends = jax.jit(jax.vmap(step))(first[None] + 0.01 * jnp.stack([along, -along]))
    wanted = back @ (np.asarray(ends[0], float) - np.asarray(ends[1], float)) / 0.02
    error = abs(slope / wanted - 1)
    if error < 0.02:
        return True, f"its pullback agrees with a difference to {error:.0e}"
    return True, (
        f"known fault, of no effect here: jax {jax.__version__} computes a pullback "
        f"that is {error:.0%} off; do not differentiate through optax.adafactor with it"
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
    "adafactor": _adafactor_pullback,
    "image cache": _image_cache,
}


@owns(is_there=True)
def check_run(run: Path | str) -> list[Check]:
    """Check the folder of a run: complete, unchanged, resumable. Nothing is written.

    Args:
        run: Folder of the run.

    Returns:
        One result for each kind of file; what is not there yet is no failure.

    Raises:
        ArtifactError: If there is no run in the folder, or another process works on it.
    """
    folder = RunFolder(run)
    if not any(path.exists() for path in (folder.config, folder.metrics, folder.model)):
        raise ArtifactError(
            f"{folder}: contains no run; give the folder of `autoreg auto` or search."
        )
    checks = [_run(name, partial(check, folder)) for name, check in _OF_A_RUN.items()]
    failed = [check.name for check in checks if not check.ok]
    what = f"look at: {', '.join(failed)}" if failed else _what_is_next(folder)
    return [*checks, Check("the run", not failed, what, 0.0)]


def _settings(folder: RunFolder) -> tuple[bool, str]:
    read_config(folder)
    if not folder.plan.is_file():
        return True, "config.yaml as it was written; no plan"
    load_plan(folder.plan)
    return True, "config.yaml as it was written; plan.yaml can be read"


def _data(folder: RunFolder) -> tuple[bool, str]:
    dataset = folder.dataset()
    if dataset is None:
        return True, "not named; give it with --dataset"
    if dataset.exists():
        return True, str(dataset)
    return False, f"{dataset} does not exist; say where it is with --dataset"


def _records(folder: RunFolder) -> tuple[bool, str]:
    counts = Counter(record["stage"] for record in folder.records())
    return True, ", ".join(f"{k} {n}" for k, n in counts.items()) or "none yet"


def _checkpoints(folder: RunFolder) -> tuple[bool, str]:
    found = []
    for place in sorted(folder.checkpoints.glob("*")):
        with Checkpointer(place) as saves:
            step = saves.latest_step()
            if step is None:
                continue
            saves.verify()
            records = [r for r in folder.records() if r["stage"] == place.name]
            records = [r for r in records if r.get("step", 0) <= step]
            check_origin(saves.metadata(), folder, place.name, step, records, None)
        found.append(f"{place.name} after step {step}")
    return True, ", ".join(found) or "none yet"


def _search(folder: RunFolder) -> tuple[bool, str]:
    if not folder.objective.is_file():
        return True, "not finished"
    found = found_of(folder)
    return True, ", ".join(f"λ {k} {v:.3g}" for k, v in found.lam.items())


def _model(folder: RunFolder) -> tuple[bool, str]:
    if not folder.model.is_dir():
        return True, "not trained yet"
    return True, f"weights {load_model(folder.path).digest[:12]}, as described"


def _evaluation(folder: RunFolder) -> tuple[bool, str]:
    if not folder.evaluation.is_file():
        return True, "not evaluated yet"
    summary = read_evaluation(folder.path).summary
    judged, there = summary.get("model"), stored_digest(folder.path)
    if judged is not None and there is not None and judged != there:
        return False, f"is of another model; run: autoreg evaluate {folder}"
    return True, f"{summary.get('pairs')} pairs, of this model"


def _what_is_next(folder: RunFolder) -> str:
    """What the run has reached, and the command that goes on."""
    if folder.evaluation.is_file():
        return "complete: searched, trained and evaluated"
    if folder.model.is_dir():
        return f"trained; next: autoreg evaluate {folder}"
    if folder.objective.is_file():
        is_begun = any(r["stage"] == "train" for r in folder.records())
        resume = " --resume" if is_begun else ""
        return f"searched; next: autoreg train {folder}{resume}"
    return f"interrupted; next: autoreg auto {folder.dataset()} -o {folder} --resume"


_OF_A_RUN: dict[str, Callable[[RunFolder], tuple[bool, str]]] = {
    "settings": _settings,
    "data": _data,
    "records": _records,
    "checkpoints": _checkpoints,
    "search": _search,
    "model": _model,
    "evaluation": _evaluation,
}
