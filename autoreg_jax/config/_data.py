"""Where the images of a run are kept: in memory, on the device, on disk."""

import typing
from dataclasses import dataclass
from typing import Literal

from autoreg_jax.config._range import check_choice, check_range
from autoreg_jax.errors import ConfigError

Storage = Literal["float32", "float16", "uint8"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Data that do not fit into memory."""

    host_memory: float | None = 1.0
    """Images and label maps of a run that may lie in the main memory, GiB (>= 0). More
    of them are preprocessed once into the cache and read from there, pair by pair.
    null: all of them lie in memory."""

    cache: str | None = None
    """Folder of the cache, `~` is the home folder; null: AUTOREG_DATA_CACHE, or else
    autoreg_jax/images in the user's cache folder. `autoreg doctor` says how large it
    is."""

    storage: Storage = "float16"
    """How the cache keeps images: `float32` exactly, `float16` with 11 significant bits
    in half the space, `uint8` in 255 steps in a quarter."""

    device_memory: float | None = None
    """Images and label maps of a split that may lie on the device, GiB (>= 0); those of
    a larger one go there in chunks of pairs, with the same result; null: a quarter of
    an accelerator's memory, 1 GiB on a CPU."""

    def __post_init__(self) -> None:
        check_range(self, "host_memory", "device_memory", at_least=0)
        if self.cache == "":
            raise ConfigError("cache: must name a folder, or be null, got ''.")
        check_choice(self, "storage", typing.get_args(Storage))
