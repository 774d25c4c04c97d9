"""The device primitives that everything else is made of."""

from autoreg_jax.ops._border import repeat_border
from autoreg_jax.ops._convolution import convolution
from autoreg_jax.ops._joint import joint_convolution
from autoreg_jax.ops._sample import sample_cubic, sample_linear, sample_nearest
from autoreg_jax.ops._window import window_sum

__all__ = [
    "convolution",
    "joint_convolution",
    "repeat_border",
    "sample_cubic",
    "sample_linear",
    "sample_nearest",
    "window_sum",
]
