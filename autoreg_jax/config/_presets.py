"""The configurations that come with the package, by name."""

from importlib import resources
from importlib.resources.abc import Traversable

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
        ConfigError: If there is none of that name.
    """
    if name not in preset_names():
        raise ConfigError(
            f"{name}: no such configuration; there are {', '.join(preset_names())}. "
            "A file is named by its path, for example ./mine.yaml."
        )
    return _folder().joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def _folder() -> Traversable:
    package = resources.files("autoreg_jax")
    installed = package / "configs"
    # In a checkout the folder stands beside the package; the wheel puts it inside.
    return installed if installed.is_dir() else package / ".." / "configs"
