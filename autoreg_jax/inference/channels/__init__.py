"""Several images of one subject, which are registered by one displacement."""

from autoreg_jax.inference.channels._arrays import (
    bare,
    check_channels,
    on_grid,
    scaled,
)
from autoreg_jax.inference.channels._given import (
    Channel,
    check_count,
    check_weights,
    compared_channels,
    read_channels,
)

__all__ = [
    "Channel",
    "bare",
    "check_channels",
    "check_count",
    "check_weights",
    "compared_channels",
    "on_grid",
    "read_channels",
    "scaled",
]
