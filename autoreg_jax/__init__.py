"""Self-configuring deformable medical image registration in JAX.

Importing the package loads nothing heavy: every public name is fetched when it is
first used.

Examples:
    >>> import autoreg_jax as ar
    >>> "register" in dir(ar)
    True
"""

import importlib
import sys
import types as _types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoreg_jax.inference import load_model, register
    from autoreg_jax.transforms import Transform
    from autoreg_jax.workflows import evaluate, search, train

__version__ = "0.1.0"

_OBJECTS = {
    "Transform": "transforms",
    "evaluate": "workflows",
    "load_model": "inference",
    "register": "inference",
    "search": "workflows",
    "train": "workflows",
}
_MODULES = (
    "alignment",
    "baselines",
    "config",
    "data",
    "errors",
    "files",
    "geometry",
    "hypergrad",
    "inference",
    "losses",
    "metrics",
    "networks",
    "nifti",
    "ops",
    "programs",
    "report",
    "runtime",
    "search_space",
    "spatial",
    "studies",
    "training",
    "transforms",
    "types",
    "workflows",
)

__all__ = ["Transform", "evaluate", "load_model", "register", "search", "train"]


class _Root(_types.ModuleType):
    """The package itself, on which `search` is the function and stays so.

    There is a subpackage of that name, too (`from autoreg_jax.search import ...`), and
    importing it would otherwise replace the function on the package.
    """

    @property
    def search(self) -> Any:
        """Search architecture and objective: `autoreg_jax.workflows.search`."""
        return importlib.import_module(f"{__name__}.workflows").search

    @search.setter
    def search(self, module: _types.ModuleType) -> None:
        """Ignore the subpackage that the import system wants to bind here."""


sys.modules[__name__].__class__ = _Root


def __getattr__(name: str) -> Any:
    """Fetch a public name or a subpackage at its first use (PEP 562)."""
    if name in _OBJECTS:
        module = importlib.import_module(f"{__name__}.{_OBJECTS[name]}")
        value = getattr(module, name)
    elif name in _MODULES:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__, *_MODULES})
