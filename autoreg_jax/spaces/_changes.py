"""Single settings of a run by their dotted names."""

from collections.abc import Mapping
from functools import reduce
from typing import Any

from autoreg_jax.config import RunConfig, merge
from autoreg_jax.errors import ConfigError


def setting(config: RunConfig, name: str) -> Any:
    """A setting by its dotted name.

    Raises:
        ConfigError: If there is no such setting.

    Examples:
        >>> setting(RunConfig(), "network.width")
        1.0
    """
    try:
        return reduce(getattr, name.split("."), config)
    except AttributeError:
        raise ConfigError(f"{name}: there is no such setting.") from None


def changed(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """The settings with some of them replaced.

    Args:
        config: The settings; they are not changed.
        changes: Values by dotted names.

    Raises:
        ConfigError: If a name is unknown, or the settings are not allowed together.

    Examples:
        >>> changed(RunConfig(), {"train.steps": 7, "network.width": 0.5}).train.steps
        7
    """
    nested: dict[str, Any] = {}
    for name, value in changes.items():
        *sections, last = name.split(".")
        section = nested
        for part in sections:
            section = section.setdefault(part, {})
        section[last] = value
    return merge(config, nested, source="the space")
