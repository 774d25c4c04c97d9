"""Strict YAML: text to nested dataclasses and back, each value of its declared type."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal

import yaml

from autoreg_jax.errors import ConfigError


def plain(value: Any) -> Any:
    """Settings as mappings, lists and scalars."""
    if dataclasses.is_dataclass(value):
        return {
            f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)
        }
    return list(value) if isinstance(value, tuple) else value


def build(kind: type, values: Any, base: Any, source: str, prefix: str = "") -> Any:
    """Build `kind` from `values`, with missing values from `base`."""
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{source}: {prefix.rstrip('.') or 'the file'} must consist of "
            f"`name: value` lines, got {values!r}."
        )
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for name in values:
        if name not in fields:
            raise ConfigError(f"{source}: {prefix}{name}: {_suggest(name, fields)}")
    arguments = {}
    for name, field in fields.items():
        inherited = getattr(base, name) if base is not None else _default(field)
        section = _section(hints[name], values.get(name))
        if name in values and section is not None:
            below = None if inherited is dataclasses.MISSING else inherited
            arguments[name] = build(
                section, values[name], below, source, f"{prefix}{name}."
            )
        elif name in values:
            where = f"{source}: {prefix}{name}"
            arguments[name] = convert(values[name], hints[name], where)
        elif inherited is dataclasses.MISSING:
            raise ConfigError(f"{source}: {prefix}{name}: missing; it has no default.")
        else:
            arguments[name] = inherited
    try:
        return kind(**arguments)
    except ConfigError as error:
        raise ConfigError(f"{source}: {prefix}{error}") from None


def _section(hint: Any, value: Any) -> type | None:
    """The configuration class of a field, if its value is a section and not null."""
    is_null = value is None and typing.get_origin(hint) is types.UnionType
    kinds = (hint, *typing.get_args(hint))
    sections = [k for k in kinds if isinstance(k, type) and dataclasses.is_dataclass(k)]
    return None if is_null or not sections else sections[0]


def _default(field: dataclasses.Field) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _suggest(name: Any, fields: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(str(name), fields, n=1)
    if near:
        return f"unknown name; did you mean {near[0]}?"
    return f"unknown name; the valid names are {', '.join(fields)}."


class _Loader(yaml.SafeLoader):
    """A safe loader that rejects duplicate keys, as the YAML standard demands."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, Any]:
        """Build a mapping after checking its keys."""
        names = [key.value for key, _ in node.value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            line = node.start_mark.line + 1
            raise ConfigError(
                f"{', '.join(twice)}: given twice in the section at line {line}."
            )
        return super().construct_mapping(node, deep=deep)


def parse(text: str, source: str) -> Any:
    """Plain values of YAML text; empty text is an empty mapping."""
    try:
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not valid YAML: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    return {} if values is None else values


def convert(value: Any, kind: Any, where: str) -> Any:
    """Convert one value of a YAML file to the declared type of its field.

    The type is `bool`, `int`, `float`, `str`, a `Literal`, a tuple, or one of these `|
    None`; `where` is the file and the dotted key, for error messages.

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
            raise _mismatch(where, "a list of one or more values", value)
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
