"""Checkpoints of a state with metadata; the only module that imports orbax."""

import contextlib
import errno
import gc
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import orbax.checkpoint as ocp
from jax.sharding import AbstractMesh, Sharding, SingleDeviceSharding
from orbax.checkpoint import checkpoint_managers as policies

from autoreg_jax.errors import ArtifactError
from autoreg_jax.runtime._device import default_device

# How tensorstore, below orbax, names an error of the system.
_OF_SYSTEM = re.compile(r"os_error_code='(\d+)'")


class Checkpointer:
    """Checkpoints in one folder, each a state (any pytree) and JSON metadata.

    `restore` never finds a checkpoint whose save was interrupted. Use it as a context
    manager, or call `close`. Several processes that do one run call it alike.

    Args:
        folder: Folder of the checkpoints; created if missing.
        keep: Number of checkpoints to keep, the latest ones (>= 1).
        is_async: `save` returns as soon as the state is copied to the host, and writes
            while the next steps are computed; `close` waits for it. Default: not on a
            CPU, where a checkpoint is complete once `save` returns.

    Raises:
        ValueError: If `keep` is less than 1.
        ArtifactError: If what a checkpoint in the folder says of itself is damaged.
    """

    def __init__(
        self, folder: str | Path, *, keep: int = 1, is_async: bool | None = None
    ) -> None:
        if keep < 1:
            raise ValueError(f"keep must be >= 1, got {keep}.")
        if is_async is None:
            is_async = jax.default_backend() != "cpu"
        self._folder = Path(folder).absolute()
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policies.LatestN(keep),
            cleanup_tmp_directories=True,
            enable_async_checkpointing=is_async,
        )
        names = "state", "metadata"
        self._manager = _read_by_orbax(
            f"{self._folder}: a checkpoint",
            partial(
                ocp.CheckpointManager, self._folder, item_names=names, options=options
            ),
        )

    def save(self, step: int, state: Any, metadata: dict[str, Any]) -> None:
        """Write a checkpoint and delete the oldest ones.

        Args:
            step: Number of the checkpoint, greater than every earlier one.
            state: Pytree of arrays; typed random keys are fine.
            metadata: Values that JSON can hold.

        Raises:
            ValueError: If `step` is not greater than the latest one.
            OSError: If it cannot be written, as on a full disk; `filename` is the
                folder. Earlier checkpoints stay.
        """
        latest = self.latest_step()
        if latest is not None and step <= latest:
            raise ValueError(
                f"step must be greater than the latest, {latest}, got {step}."
            )
        arguments = ocp.args.Composite(
            state=ocp.args.StandardSave(state),
            metadata=ocp.args.JsonSave({"given": metadata, "layout": _layout(state)}),
        )
        with _quiet(), _writing(self._folder):
            self._manager.save(step, args=arguments)

    def discard(self, after: int) -> None:
        """Delete the checkpoints behind a step.

        Args:
            after: That step; its own checkpoint stays.
        """
        with _quiet(), _writing(self._folder):
            self._manager.wait_until_finished()
            for step in self._manager.all_steps():
                if step > after:
                    self._manager.delete(step)

    def latest_step(self) -> int | None:
        """Return the number of the latest checkpoint, or `None` if there is none."""
        return self._manager.latest_step()

    def metadata(self, step: int | None = None) -> dict[str, Any]:
        """Read the metadata of a checkpoint.

        Args:
            step: Number of the checkpoint; default: the latest.

        Raises:
            ArtifactError: If there is no such checkpoint or it is damaged.
        """
        return self._facts(self._find(step))[0]

    def restore(
        self,
        template: Any,
        step: int | None = None,
        *,
        sharding: Sharding | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Read a checkpoint.

        Args:
            template: A state of the same structure, or its `jax.eval_shape`.
            step: Number of the checkpoint; default: the latest.
            sharding: Where the arrays are put, whatever devices they were saved from;
                default: where those of the template are, or the default device.

        Returns:
            The state and the metadata that were saved.

        Raises:
            ArtifactError: If there is no such checkpoint, if it is damaged, or if it
                has another structure.
        """
        step = self._find(step)
        given, layout = self._facts(step)
        self._check_layout(step, layout, _layout(template))
        abstract = jax.tree.map(lambda leaf: _abstract(leaf, sharding), template)
        items = self._read(step, state=ocp.args.StandardRestore(abstract))
        return items["state"], given

    def verify(self, step: int | None = None) -> None:
        """Read a checkpoint whole, whatever state it has, with its checksums.

        Args:
            step: Number of the checkpoint; default: the latest.

        Raises:
            ArtifactError: If there is no such checkpoint or it is damaged.
        """
        step = self._find(step)
        self._facts(step)
        with warnings.catch_warnings(action="ignore"):  # of a state without a template
            self._read(step, state=ocp.args.StandardRestore())

    def close(self) -> None:
        """Wait for pending writes and stop the background threads."""
        with _quiet(), _writing(self._folder):
            self._manager.close()

    def __enter__(self) -> "Checkpointer":
        """Return the checkpointer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it, also after an error."""
        self.close()

    def _find(self, step: int | None) -> int:
        steps = self._manager.all_steps()
        if step is None:
            step = self.latest_step()
        if step is None or step not in steps:
            found = f"found {', '.join(map(str, steps))}" if steps else "it is empty"
            wanted = "checkpoint" if step is None else f"checkpoint {step}"
            raise ArtifactError(
                f"{self._folder}: no {wanted} ({found}); start without resuming."
            )
        return step

    def _facts(self, step: int) -> tuple[dict[str, Any], dict[str, str]]:
        """What was given with a state, and its layout."""
        found = self._read(step, metadata=ocp.args.JsonRestore())["metadata"]
        match found:
            case {"given": dict(given), "layout": dict(layout)}:
                return given, layout
        raise ArtifactError(
            f"{self._folder}: checkpoint {step} is damaged; start without resuming. "
            "Reason: its metadata are not those of a checkpoint."
        )

    def _read(self, step: int, **items: Any) -> Any:
        arguments = ocp.args.Composite(**items)
        return _read_by_orbax(
            f"{self._folder}: checkpoint {step}",
            partial(self._manager.restore, step, args=arguments),
        )

    def _check_layout(
        self, step: int, saved: dict[str, str], wanted: dict[str, str]
    ) -> None:
        differing = [
            name
            for name in sorted({*saved, *wanted})
            if saved.get(name) != wanted.get(name)
        ]
        if differing:
            name = differing[0]
            raise ArtifactError(
                f"{self._folder}: checkpoint {step} has different settings: "
                f"{name} is {saved.get(name, 'absent')} there and "
                f"{wanted.get(name, 'absent')} here ({len(differing)} such arrays); "
                "use the settings of its run, or start without resuming."
            )


def _layout(state: Any) -> dict[str, str]:
    """Name the type and shape of each array: `{".step": "int32()"}`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(jax.tree.map(_abstract, state))
    return {
        jax.tree_util.keystr(path): f"{leaf.dtype}{leaf.shape}" for path, leaf in leaves
    }


def _abstract(leaf: Any, sharding: Sharding | None = None) -> jax.ShapeDtypeStruct:
    """Shape, type and place of a leaf: as given, where it is, or the default device."""
    if not hasattr(leaf, "dtype"):
        leaf = jax.numpy.asarray(leaf)
    sharding = sharding or getattr(leaf, "sharding", None)
    if sharding is None or isinstance(getattr(sharding, "mesh", None), AbstractMesh):
        # Of `jax.eval_shape`: under a mesh of explicit axes it knows no devices.
        sharding = SingleDeviceSharding(default_device())
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Name the folder in errors of the disk, which orbax has in its own words."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        number = error.errno if isinstance(error, OSError) else None
        if found := _OF_SYSTEM.search(str(error)):
            number = int(found[1])
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(folder)) from error


def _read_by_orbax(what: str, read: Callable[[], Any]) -> Any:
    """Read a checkpoint; if it is damaged, say so in one sentence.

    After an error orbax leaves unfinished reads behind, which print tracebacks when
    Python removes them. They are removed here, silently, so the first error cannot be
    kept as the cause.
    """
    try:
        with _quiet():
            return read()
    except OSError as error:
        if error.errno not in (None, errno.ENOENT):
            raise
        reason = _in_short(error)
    except Exception as error:  # whatever a damaged file makes of orbax
        reason = _in_short(error)
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        gc.collect()
    finally:
        sys.unraisablehook = hook
    raise ArtifactError(f"{what} is damaged ({reason}); start without resuming.")


def _in_short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the messages that orbax logs through absl; it raises its errors, too."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
