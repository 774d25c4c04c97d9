"""Self-configuring deformable medical image registration in JAX.

Importing the package loads nothing heavy: every public name is fetched when it is
first used.

Examples:
    >>> import autoreg_jax as ar
    >>> "register" in dir(ar)
    True
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoreg_jax.compat import registration
    from autoreg_jax.inference import load_model, register
    from autoreg_jax.transforms import Transform
    from autoreg_jax.workflows import evaluate, search, train

__version__ = "0.1.0"

_OBJECTS = {
    "Transform": "transforms",
    "evaluate": "workflows",
    "load_model": "inference",
    "register": "inference",
    "registration": "compat",
    "search": "workflows",
    "train": "workflows",
}
_MODULES = (
    "alignment",
    "augmentation",
    "baselines",
    "bilevel",
    "compat",
    "config",
    "data",
    "display",
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
    "spaces",
    "spatial",
    "studies",
    "training",
    "transforms",
    "workflows",
)

__all__ = [
    "Transform",
    "evaluate",
    "load_model",
    "register",
    "registration",
    "search",
    "train",
]


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
