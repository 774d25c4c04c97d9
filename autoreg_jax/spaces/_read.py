"""Spaces from files: those of the package by name, others by path."""

from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from autoreg_jax.config import RunConfig, parse
from autoreg_jax.errors import ConfigError
from autoreg_jax.spaces._changes import changed, setting
from autoreg_jax.spaces._space import Choice, Space

_OF_A_SPACE = ("about", "operations", "choices")
_OF_A_CHOICE = ("about", "values", "factors", "when")


def space_names() -> tuple[str, ...]:
    """The names of the spaces that come with the package, sorted.

    Examples:
        >>> space_names()
        ('macro', 'paper')
    """
    files = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(f.removesuffix(".yaml") for f in files if f.endswith(".yaml")))


def space_text(source: str | Path) -> str:
    """The text of a space, as its file has it.

    Raises:
        ConfigError: If there is no such space.
    """
    path = Path(source)
    if path.is_file():
        return path.read_text(encoding="utf-8")
    if str(source) not in space_names():
        raise ConfigError(
            f"search.space: {source}: no such file; the spaces of the package are "
            f"{', '.join(space_names())}."
        )
    return _folder().joinpath(f"{source}.yaml").read_text(encoding="utf-8")


def read_space(source: str | Path) -> Space:
    """Read a space.

    Args:
        source: A YAML file, or the name of a space that comes with the package.

    Raises:
        ConfigError: If there is no such space, or if the file is wrong: a name that is
            no setting, an option that the setting does not take, an unknown key.

    Examples:
        >>> read_space("paper").has_operations
        True
    """
    content = parse(space_text(source), str(source))
    _check_keys(content, _OF_A_SPACE, str(source))
    choices = content.get("choices", {})
    if not isinstance(choices, Mapping):
        raise ConfigError(f"{source}: choices: must be settings with their options.")
    return Space(
        Path(source).stem,
        str(content.get("about", "")).strip(),
        tuple(_choice(name, row, str(source)) for name, row in choices.items()),
        bool(content.get("operations", False)),
    )


def _choice(name: str, row: Any, source: str) -> Choice:
    where = f"{source}: {name}"
    _check_keys(row, _OF_A_CHOICE, where)
    usual = RunConfig()
    try:
        values = tuple(_checked(usual, name, value) for value in row.get("values", ()))
        when = {
            other: _checked(usual, other, value)
            for other, value in row.get("when", {}).items()
        }
        factors = tuple(float(factor) for factor in row.get("factors", ()))
        if factors and not isinstance(setting(usual, name), int | float | None):
            raise ConfigError(f"{name}: factors need a number.")
        return Choice(name, str(row.get("about", "")).strip(), values, factors, when)
    except (ConfigError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from None


def _checked(config: RunConfig, name: str, value: Any) -> Any:
    """A value as its setting has it, lists as tuples."""
    return setting(changed(config, {name: value}), name)


def _check_keys(content: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where}: must consist of `name: value` lines.")
    for key in content:
        if key not in known:
            raise ConfigError(
                f"{where}: {key}: unknown name; the valid names are {', '.join(known)}."
            )


def _folder() -> Traversable:
    package = resources.files("autoreg_jax")
    installed = package / "configs" / "spaces"
    # In a checkout the folder is next to the package; the wheel puts it inside.
    return installed if installed.is_dir() else package / ".." / "configs" / "spaces"
