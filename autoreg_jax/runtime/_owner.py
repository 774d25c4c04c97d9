"""One owner of a run, also where several processes do it together."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from autoreg_jax.errors import ArtifactError, AutoRegError
from autoreg_jax.files import is_writer, owned

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Folders that all processes own together, from here outwards.
_agreed: ContextVar[frozenset[Path]] = ContextVar("agreed", default=frozenset())


def owns(
    name: str = "run", *, is_there: bool = False
) -> Callable[[_Function], _Function]:
    """Make a function the owner of its folder for as long as it runs.

    Args:
        name: Its argument with the folder; without one, the folder of its argument
            `journal`. None: it writes nothing.
        is_there: The folder has to exist; where it does not, the function is just
            called, and says so.

    Raises:
        ArtifactError: The function: if another process owns the folder.
        ConfigError: The function: if the folder cannot be created or is not writable.
    """

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            given = signature.bind(*arguments, **options).arguments
            folder = given.get(name) or getattr(given.get("journal"), "run", None)
            if folder is None or (is_there and not Path(folder).is_dir()):
                return function(*arguments, **options)
            with _owned_by_all(folder):
                return function(*arguments, **options)

        return wrapped  # pyright: ignore[reportReturnType]

    return decorate


@contextlib.contextmanager
def _owned_by_all(folder: Any) -> Iterator[None]:
    """Own a folder; where the first process may not, all are told.

    Inside of a function that owns the folder nothing is asked again: one process alone
    may get there, to write a report for example, and would wait for the others forever.
    """
    key = Path(folder).resolve()
    with contextlib.ExitStack() as stack:
        problem: AutoRegError | OSError | None = None
        try:
            stack.enter_context(owned(folder))
        except (AutoRegError, OSError) as error:
            problem = error
        if jax.distributed.is_initialized() and key not in _agreed.get():
            mine = np.array([problem is None])
            is_free = bool(multihost_utils.broadcast_one_to_all(mine)[0])
            if not is_free and not is_writer():
                problem = ArtifactError(
                    f"{folder}: the first process of this run may not use the folder, "
                    "see its message."
                )
        if problem is not None:
            raise problem
        before = _agreed.set(_agreed.get() | {key})
        try:
            yield
        finally:
            _agreed.reset(before)
