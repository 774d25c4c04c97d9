"""The configuration that a command line means: a file, then single values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from autoreg_jax import config
from autoreg_jax.errors import ConfigError


def read_settings(
    source: str | Path, overrides: Sequence[Sequence[str]] = ()
) -> config.RunConfig:
    """Read a configuration and replace single values.

    Args:
        source: A file, or the name of a configuration that comes with the package.
        overrides: Words of each `--set`, as `train.steps=100`; a later one wins.

    Returns:
        The checked configuration.

    Raises:
        ConfigError: If the file or a value is wrong.

    Examples:
        >>> read_settings("default", [["train.steps=7", "seed=3"]]).train.steps
        7
    """
    # All at once: a check may ask for two values that fit each other.
    values: dict[str, Any] = {}
    for word in (word for words in overrides for word in words):
        values = _over(values, _nested(word))
    return config.merge(config.load(source), values, source="--set")


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Two nested mappings as one; where both hold a value, that of `above`."""
    both = {
        name: _over(below[name], value)
        for name, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(name), dict)
    }
    return below | above | both


def _nested(word: str) -> dict[str, Any]:
    """`a.b=1` as `{"a": {"b": 1}}`; the value is read as YAML."""
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
