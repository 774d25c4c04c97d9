"""The eight candidate operations, each ending in LeakyReLU(0.2)."""

from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from autoreg_jax.ops import convolution

SLOPE = 0.2
_DILATION = 2
# Keeps the variance of the activations through LeakyReLU (He et al. 2015, Eq. 15).
_he_normal = nn.initializers.variance_scaling(2 / (1 + SLOPE**2), "fan_in", "normal")


def activation(x: Array) -> Array:
    """LeakyReLU with slope 0.2, behind every convolution of the search space."""
    return nn.leaky_relu(x, SLOPE)


class PlainConvolution(nn.Module):
    """conv_k: a dense convolution without bias.

    Attributes:
        features: Output channels.
        size: Taps on each axis, odd.
        stride: 1 or 2.
    """

    features: int
    size: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map `(b, *space, c)` to `(b, *⌈space / stride⌉, features)`."""
        shape = (self.size,) * (x.ndim - 2) + (x.shape[-1], self.features)
        kernel = self.param("kernel", _he_normal, shape)
        return activation(convolution(x, kernel, stride=self.stride))


class SeparableConvolution(nn.Module):
    """sep_conv_k: dense k, LeakyReLU, depthwise k, pointwise, LeakyReLU; no bias.

    Depthwise and pointwise convolution have no activation between them, so their product
    is one dense kernel `depthwise[t, c] · pointwise[c, f]`: with these few channels one
    dense convolution is faster than a depthwise one on every platform.

    Attributes:
        features: Output channels.
        size: Taps on each axis, odd.
        stride: 1 or 2, taken by the first convolution.
    """

    features: int
    size: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map `(b, *space, c)` to `(b, *⌈space / stride⌉, features)`."""
        taps, channels = (self.size,) * (x.ndim - 2), x.shape[-1]
        dense = self.param("dense", _he_normal, (*taps, channels, channels))
        depthwise = self.param("depthwise", _he_normal, (*taps, 1, channels))
        pointwise = self.param("pointwise", _he_normal, (channels, self.features))
        x = activation(convolution(x, dense, stride=self.stride))
        product = jnp.swapaxes(depthwise, -1, -2) * pointwise
        return activation(convolution(x, product))


class DilatedConvolution(nn.Module):
    """dil_conv_k: a dense convolution of dilation 2 with bias.

    Attributes:
        features: Output channels.
        size: Taps on each axis, odd.
        stride: 1 or 2.
    """

    features: int
    size: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map `(b, *space, c)` to `(b, *⌈space / stride⌉, features)`."""
        shape = (self.size,) * (x.ndim - 2) + (x.shape[-1], self.features)
        kernel = self.param("kernel", _he_normal, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        out = convolution(x, kernel, stride=self.stride, dilation=_DILATION)
        return activation(out + bias.reshape((1,) * (x.ndim - 1) + (-1,)))


_KINDS: dict[str, Callable[..., nn.Module]] = {
    "conv": PlainConvolution,
    "sep_conv": SeparableConvolution,
    "dil_conv": DilatedConvolution,
}


def make_operation(name: str, features: int, stride: int = 1) -> nn.Module:
    """Build one candidate by its name.

    Args:
        name: One of `OPERATIONS`.
        features: Output channels.
        stride: 1 or 2.

    Returns:
        A module named `name`; names are part of the checkpoint format.
    """
    kind, size = name.rsplit("_", 1)
    return _KINDS[kind](features, int(size), stride, name=name)
