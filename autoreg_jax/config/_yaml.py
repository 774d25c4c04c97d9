"""Strict YAML: text to nested dataclasses and back, each value of its declared type."""

import dataclasses
import difflib
import reprlib
import types
import typing
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from itertools import accumulate
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
            f"`name: value` lines, got {_short(values)}."
        )
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for name in values:
        if name not in fields:
            found = str(name)[:60]
            raise ConfigError(f"{source}: {prefix}{found}: {_suggest(found, fields)}")
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


def _suggest(name: str, fields: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, fields, n=1)
    if near:
        return f"unknown name; did you mean {near[0]}?"
    return f"unknown name; the valid names are {', '.join(fields)}."


# Of text that a person writes; more is a mistake, and may take hours to expand.
_LONGEST, _DIGITS, _DEEPEST = 1_000_000, 18, 100

_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxlist, _repr.maxstring, _repr.maxother = 3, 6, 60, 60
_short = _repr.repr


class _Loader(yaml.SafeLoader):
    """A safe loader that rejects duplicate keys, as the YAML standard demands.

    References to anchors are not followed: some lines of them can stand for more than
    a memory holds.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse references."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise ConfigError(
                f"*{event.anchor}: references are not supported, line "
                f"{event.start_mark.line + 1}; write the value itself."
            )
        return super().compose_node(parent, index)

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, Any]:
        """Build a mapping after checking its keys."""
        names = Counter(
            key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)
        )
        if twice := sorted(name for name, count in names.items() if count > 1):
            line = node.start_mark.line + 1
            raise ConfigError(
                f"{', '.join(twice)}: given twice in the section at line {line}."
            )
        return super().construct_mapping(node, deep=deep)

    def construct_number(self, node: yaml.ScalarNode) -> int:
        """A whole number that a computer can count to."""
        if len(node.value) > _DIGITS:
            line = node.start_mark.line + 1
            raise ConfigError(f"the number at line {line} has too many digits.")
        return super().construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)


def _reason(error: yaml.YAMLError) -> str:
    """Where a text is no YAML and why, without the pieces of it that PyYAML draws."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None)
    words = " ".join(str(problem or error).split())[:300].rstrip(".")
    if mark is None:
        return f"{words}."
    return f"line {mark.line + 1}, column {mark.column + 1}: {words}."


def parse(text: str, source: str) -> Any:
    """Plain values of YAML text; empty text is an empty mapping.

    Raises:
        ConfigError: If it is not YAML, too long or nested too deeply, or if it has
            duplicate names, references, or values that are none, as the 40th of May.
    """
    if len(text) > _LONGEST:
        raise ConfigError(
            f"{source}: has {len(text)} characters, more than settings can have; name "
            "a file of settings."
        )
    # PyYAML takes the square of the depth.
    depths = accumulate((one in "[{") - (one in "]}") for one in text)
    try:
        if max(depths, default=0) > _DEEPEST:
            raise RecursionError
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not valid YAML: {_reason(error)}") from None
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    except RecursionError:
        raise ConfigError(
            f"{source}: is nested too deeply; settings have a few levels."
        ) from None
    # Of the constructors of dates, numbers and bytes, which expect what fits their tag.
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as e:
        raise ConfigError(
            f"{source}: has a value that cannot be read ({e!s:.100}); put texts in "
            "quotes."
        ) from None
    return {} if values is None else values


def convert(value: Any, kind: Any, where: str) -> Any:
    """Convert one value of a YAML file to the declared type of its field.

    The type is `bool`, `int`, `float`, `str`, a `Literal`, a tuple, a dictionary, or
    one of these `| None`; `where` is the file and the dotted key, for error messages.

    Examples:
        >>> convert("1e-4", float, "demo.yaml: train.learning_rate")
        0.0001
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        (inner,) = (a for a in arguments if a is not types.NoneType)
        return None if value is None else convert(value, inner, where)
    if origin is Literal:
        if not isinstance(value, str) or value not in arguments:
            raise _mismatch(where, f"one of {', '.join(arguments)}", value)
        return value
    if origin is tuple:
        return _convert_several(value, arguments, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _mismatch(where, "names and values", value)
        names, items = (arguments[0], where), arguments[1]
        return {
            convert(name, *names): convert(item, items, f"{where}.{name}")
            for name, item in value.items()
        }
    word, accept = _SCALARS[kind]
    try:
        return accept(value)
    except (TypeError, ValueError, OverflowError):
        raise _mismatch(where, word, value) from None


def _convert_several(
    value: Any, arguments: tuple[Any, ...], where: str
) -> tuple[Any, ...]:
    if arguments[-1] is Ellipsis:
        if not isinstance(value, list | tuple) or not value:
            raise _mismatch(where, "a list of one or more values", value)
        arguments = arguments[:1] * len(value)
    if not isinstance(value, list | tuple) or len(value) != len(arguments):
        raise _mismatch(where, f"a list of {len(arguments)} values", value)
    return tuple(
        convert(item, inner, f"{where}[{i}]")
        for i, (item, inner) in enumerate(zip(value, arguments, strict=True))
    )


def _mismatch(where: str, wanted: str, value: Any) -> ConfigError:
    kind = type(value).__name__
    found = "null" if value is None else f"{_short(value)} ({kind})"
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
