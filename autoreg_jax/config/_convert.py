"""Plain YAML values to the type that a field declares, strictly."""

import types
import typing
from collections.abc import Callable
from typing import Any, Literal

from autoreg_jax.errors import ConfigError


def convert(value: Any, kind: Any, where: str) -> Any:
    """Convert one value of a YAML file to the declared type of its field.

    Args:
        value: What the YAML parser found.
        kind: Declared type: `bool`, `int`, `float`, `str`, a `Literal`, a tuple, or
            one of these `| None`.
        where: File and dotted key, which open the message of an error.

    Returns:
        The value in its declared type.

    Raises:
        ConfigError: If the value is of another type.

    Examples:
        >>> convert("1e-4", float, "demo.yaml: train.learning_rate")
        0.0001
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        (inner,) = (a for a in arguments if a is not types.NoneType)
        return None if value is None else convert(value, inner, where)
    if origin is Literal:
        if value not in arguments:
            raise _mismatch(where, f"one of {', '.join(arguments)}", value)
        return value
    if origin is tuple and arguments[-1] is Ellipsis:
        if not isinstance(value, list | tuple) or not value:
            raise _mismatch(where, "a list", value)
        arguments = arguments[:1] * len(value)
    if origin is tuple:
        if not isinstance(value, list | tuple) or len(value) != len(arguments):
            raise _mismatch(where, f"a list of {len(arguments)} values", value)
        return tuple(
            convert(item, inner, f"{where}[{i}]")
            for i, (item, inner) in enumerate(zip(value, arguments, strict=True))
        )
    word, accept = _SCALARS[kind]
    try:
        return accept(value)
    except (TypeError, ValueError):
        raise _mismatch(where, word, value) from None


def _mismatch(where: str, wanted: str, value: Any) -> ConfigError:
    found = "null" if value is None else f"{value!r} ({type(value).__name__})"
    return ConfigError(f"{where}: must be {wanted}, got {found}.")


def _exactly(kind: type) -> Callable[[Any], Any]:
    def accept(value: Any) -> Any:
        if type(value) is not kind:  # bool is a subclass of int
            raise TypeError
        return value

    return accept


def _to_float(value: Any) -> float:
    # YAML 1.1 reads 1e-4, without a point, as text.
    if type(value) not in (int, float, str):
        raise TypeError
    return float(value)


_SCALARS: dict[Any, tuple[str, Callable[[Any], Any]]] = {
    bool: ("true or false", _exactly(bool)),
    int: ("a whole number", _exactly(int)),
    float: ("a number", _to_float),
    str: ("text", _exactly(str)),
}
