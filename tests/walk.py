"""What runs along a walk through the package: modules, and work that is done twice."""

import gc
import inspect
import sys
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import autoreg_jax

_ROOT = str(Path(autoreg_jax.__file__).parent) + "/"

# Tracing calls device code as often as a program contains it.
_DEVICE = (
    "hypergrad/",
    "losses/",
    "metrics/",
    "networks/",
    "ops/",
    "search_space/",
    "spatial/",
)
# What is passed by value; a path stands for a file.
_PLAIN = (int, float, str, bytes, type(None))


class Walk(NamedTuple):
    """What ran.

    Attributes:
        modules: Modules outside of the device packages of which functions ran.
        repeated: Functions that another module called again with equal arguments, and
            how often in all.
    """

    modules: list[str]
    repeated: dict[str, int]


def follow(walk: Callable[[], Any]) -> Walk:
    """Run a function and note which functions of the package it calls, and on what."""
    modules: set[str] = set()
    calls: Counter[tuple[Any, ...]] = Counter()
    kept: list[Any] = []  # An id is that of one object as long as the object lives.

    def note(frame: types.FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        is_function = code.co_flags & inspect.CO_OPTIMIZED  # not a module or class body
        if event != "call" or not is_function or not code.co_filename.startswith(_ROOT):
            return
        module = code.co_filename.removeprefix(_ROOT)
        if module.startswith(_DEVICE) or code.co_name.startswith("<"):
            return
        modules.add(module)
        caller = frame.f_back and frame.f_back.f_code.co_filename
        if code.co_flags & inspect.CO_GENERATOR or caller == code.co_filename:
            return
        sys.setprofile(None)
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        given = [frame.f_locals.get(name) for name in names]
        if not all(isinstance(value, _PLAIN) for value in given):
            calls[code, tuple(_equal(value, kept) for value in given)] += 1
        sys.setprofile(note)

    sys.setprofile(note)
    try:
        walk()
    finally:
        sys.setprofile(None)
    attributes = _properties()
    repeated = {
        f"{code.co_filename.removeprefix(_ROOT)}: {code.co_qualname}": times
        for (code, _), times in calls.items()
        if times > 1 and code not in attributes
    }
    return Walk(sorted(modules), repeated)


def _equal(value: Any, kept: list[Any]) -> Any:
    """What is the same for equal plain values and arrays, and else for one object."""
    if isinstance(value, (*_PLAIN, Path)):
        return value
    if isinstance(value, np.ndarray):
        return value.shape, str(value.dtype), value.tobytes()
    if isinstance(value, tuple | list):
        return type(value), *(_equal(item, kept) for item in value)
    kept.append(value)
    return id(value)


def _properties() -> set[types.CodeType]:
    """The code of all properties: they are attributes to those who read them."""
    found = (one.fget for one in gc.get_objects() if isinstance(one, property))
    return {one.__code__ for one in found if isinstance(one, types.FunctionType)}
