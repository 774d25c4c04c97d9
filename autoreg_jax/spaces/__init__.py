"""What a search may change: settings, their options and what depends on what."""

from autoreg_jax.spaces._changes import changed, setting
from autoreg_jax.spaces._read import read_space, space_names, space_text
from autoreg_jax.spaces._space import Changes, Choice, Space

__all__ = [
    "Changes",
    "Choice",
    "Space",
    "changed",
    "read_space",
    "setting",
    "space_names",
    "space_text",
]
