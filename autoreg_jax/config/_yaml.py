"""Strict reading and writing of configurations as YAML."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from autoreg_jax.config._convert import convert
from autoreg_jax.config._presets import preset_names, preset_text
from autoreg_jax.config._schema import RunConfig
from autoreg_jax.errors import ConfigError

T = TypeVar("T")


def load(source: str | Path) -> RunConfig:
    """Read a configuration; what it leaves out keeps its default.

    Args:
        source: A YAML file, or the name of a configuration that comes with the
            package (`preset_names`).

    Returns:
        The checked configuration.

    Raises:
        ConfigError: If the file is missing or is no YAML, or if a key is unknown,
            missing, twice there, of the wrong type or out of range. The message names
            the file and the dotted key.

    Examples:
        >>> load("default").network.num_steps
        7
    """
    path = Path(source)
    if path.is_file():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not a text file ({error}).") from None
    elif str(source) not in preset_names() and (
        path.suffix or path.parent != Path() or path.is_dir()
    ):
        raise ConfigError(
            f"{path}: no such file. Name a YAML file or one of the configurations "
            f"{', '.join(preset_names())}."
        )
    else:
        text = preset_text(str(source))
    return merge(RunConfig(), _parse(text, str(source)), source=str(source))


def merge(
    config: RunConfig, overrides: Mapping[str, Any], *, source: str = "overrides"
) -> RunConfig:
    """Return the configuration with some of its values replaced.

    Args:
        config: The configuration to start from; it is not changed.
        overrides: Nested mapping of the values to replace.
        source: Where they come from, for messages.

    Returns:
        A new, checked configuration.

    Raises:
        ConfigError: As `load`.

    Examples:
        >>> merge(RunConfig(), {"train": {"steps": 5}}).train.steps
        5
    """
    return _build(RunConfig, overrides, config, source, "")


def override(config: RunConfig, words: Iterable[str]) -> RunConfig:
    """Return the configuration with single values replaced, as `--set` does.

    Args:
        config: The configuration to start from; it is not changed.
        words: `NAME=VALUE`, dotted names and YAML values; a later one wins.

    Returns:
        A new configuration, checked after all values are replaced.

    Raises:
        ConfigError: If a word has another form, or as `load`.

    Examples:
        >>> override(RunConfig(), ["train.steps=7", "seed=3"]).train.steps
        7
    """
    values: dict[str, Any] = {}
    for word in words:
        values = _join(values, _nested(word))
    return merge(config, values, source="--set")


def parse_as(kind: type[T], text: str, source: str) -> T:
    """Read another class of settings as strictly.

    Args:
        kind: Its class, a dataclass.
        text: YAML.
        source: Where it comes from, for messages.

    Returns:
        The checked object.

    Raises:
        ConfigError: As `load`.
    """
    return _build(kind, _parse(text, source), None, source, "")


def dump(config: RunConfig) -> str:
    """Return the configuration as YAML text, every value spelled out.

    Examples:
        >>> print(dump(RunConfig()).splitlines()[0])
        seed: 0
    """
    return yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True)


def _nested(word: str) -> dict[str, Any]:
    """`a.b=1` as `{"a": {"b": 1}}`."""
    name, sign, text = word.partition("=")
    if not sign or not name:
        raise ConfigError(
            f"--set {word}: must be NAME=VALUE, for example train.steps=100."
        )
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {word}: {text!r} is not a YAML value.") from None
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


def _join(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Two nested mappings as one; where both hold a value, that of `above`."""
    both = {
        name: _join(below[name], value)
        for name, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(name), dict)
    }
    return below | above | both


def _build(kind: type, values: Any, base: Any, source: str, prefix: str) -> Any:
    """Build `kind` from `values`, taking what they leave out from `base`."""
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{source}: {prefix.rstrip('.') or 'the file'} must hold `name: value` "
            f"lines, got {values!r}."
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
            arguments[name] = _build(
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
    """The configuration class of a field; one that may be null is none where it is."""
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
    return f"unknown name; valid here are {', '.join(fields)}."


def plain(value: Any) -> Any:
    """Settings as mappings, lists and scalars."""
    if dataclasses.is_dataclass(value):
        return {
            f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)
        }
    return list(value) if isinstance(value, tuple) else value


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key written twice, which YAML forbids."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, Any]:
        """Build a mapping after checking its keys."""
        names = [key.value for key, _ in node.value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            line = node.start_mark.line + 1
            raise ConfigError(f"{', '.join(twice)}: written twice from line {line} on.")
        return super().construct_mapping(node, deep=deep)


def _parse(text: str, source: str) -> Any:
    try:
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not valid YAML: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    return {} if values is None else values
