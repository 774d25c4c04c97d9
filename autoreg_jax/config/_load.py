"""Configurations from presets, files and single values, and back to text."""

from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from autoreg_jax.config._run import RunConfig
from autoreg_jax.config._yaml import build, parse, plain
from autoreg_jax.errors import ConfigError


def preset_names() -> tuple[str, ...]:
    """Return the names of the configurations that come with the package, sorted.

    Examples:
        >>> "default" in preset_names()
        True
    """
    files = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(f.removesuffix(".yaml") for f in files if f.endswith(".yaml")))


def preset_text(name: str) -> str:
    """Return the YAML text of a configuration that comes with the package.

    Raises:
        ConfigError: If there is no preset of this name.
    """
    if name not in preset_names():
        raise ConfigError(
            f"{name}: no such preset; the presets are {', '.join(preset_names())}. "
            "Give a file by its path, for example ./mine.yaml."
        )
    return _folder().joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def load(source: str | Path) -> RunConfig:
    """Read a configuration; missing values keep their defaults.

    Args:
        source: A YAML file, or the name of a configuration that comes with the
            package (`preset_names`).

    Returns:
        The checked configuration.

    Raises:
        ConfigError: If the file is missing or not valid YAML, or if a key is unknown,
            missing, duplicate, of the wrong type or out of range. The message names the
            file and the dotted key.

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
            f"{path}: no such file. Give a YAML file or one of the presets "
            f"{', '.join(preset_names())}."
        )
    else:
        text = preset_text(str(source))
    return merge(RunConfig(), parse(text, str(source)), source=str(source))


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
    return build(RunConfig, overrides, config, source)


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


def dump(config: RunConfig) -> str:
    """Return the configuration as YAML text, every value spelled out.

    Examples:
        >>> print(dump(RunConfig()).splitlines()[0])
        seed: 0
    """
    return yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True)


# Words of YAML for no value; a whole file of them is an empty mapping.
_NULLS = ("", "~", "null", "Null", "NULL")


def _nested(word: str) -> dict[str, Any]:
    """`a.b=1` as `{"a": {"b": 1}}`."""
    name, sign, text = word.partition("=")
    if not sign or not name:
        raise ConfigError(
            f"--set {word}: must be NAME=VALUE, for example train.steps=100."
        )
    try:
        value = None if text.strip() in _NULLS else parse(text, name)
    except ConfigError as error:
        raise ConfigError(
            f"--set {word[:80]}: {text[:80]!r} is not a YAML value ({error})"
        ) from None
    nested: Any = value
    for part in reversed(name.split(".")):
        nested = {part: nested}
    return nested


def _join(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Two nested mappings as one; where both hold a value, that of `above`."""
    both = {
        name: _join(below[name], value)
        for name, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(name), dict)
    }
    return below | above | both


def _folder() -> Traversable:
    package = resources.files("autoreg_jax")
    installed = package / "configs"
    # In a checkout the folder is next to the package; the wheel puts it inside.
    return installed if installed.is_dir() else package / ".." / "configs"
