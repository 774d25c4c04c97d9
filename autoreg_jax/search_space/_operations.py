"""The modules behind the candidate operations, each ending in LeakyReLU(0.2)."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from autoreg_jax.ops import convolution

SLOPE = 0.2


def _spread(gain: float = 1.0) -> nn.initializers.Initializer:
    """Keeps the variance through LeakyReLU (He et al. 2015, Eq. 15), times `gain`².

    Uniform: the inverse error function of normal numbers takes long to compile. Flax
    traces this for every kernel whenever a network is traced, to compare shapes: with
    `variance_scaling`, of several operations, that is a third of the whole.
    """

    def draw(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        bound = gain * math.sqrt(6 / (1 + SLOPE**2) / math.prod(shape[:-1]))
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return draw


def activation(x: Array) -> Array:
    """LeakyReLU with slope 0.2, behind every convolution of the search space."""
    return nn.leaky_relu(x, SLOPE)


class Operation(nn.Module):
    """Base class of the candidates.

    Attributes:
        channels: Input channels.
        features: Output channels.
        ndim: Number of spatial axes.
        size: Taps on each axis, odd.
        dilation: Distance between taps, at least 1.
        stride: 1 or 2.
        gain: Factor on the standard deviation of the last kernel at initialisation.
    """

    channels: int
    features: int
    ndim: int
    size: int = 1
    dilation: int = 1
    stride: int = 1
    gain: float = 1.0

    def __call__(self, x: Array) -> Array:
        """Map `(b, *space, channels)` to `(b, *⌈space / stride⌉, features)`."""
        raise NotImplementedError


class LeadingConvolution(Operation):
    """A candidate that begins with a dense convolution of its input.

    That kernel and what follows it are separate methods, so that a mixture can compute
    the first convolutions of several candidates together.
    """

    def first_kernel(self) -> Array:
        """Kernel `(*k, channels, f)` of the first convolution."""
        raise NotImplementedError

    def finish(self, response: Array) -> Array:
        """Map the output of the first convolution to `(b, *space, features)`.

        The result still has to pass `activation`.
        """
        return response

    def __call__(self, x: Array) -> Array:
        """Map `(b, *space, channels)` to `(b, *⌈space / stride⌉, features)`."""
        response = convolution(
            x, self.first_kernel(), stride=self.first_stride, dilation=self.dilation
        )
        return activation(self.finish(response))

    @property
    def first_stride(self) -> int:
        """Stride of the first convolution."""
        return self.stride

    @property
    def taps(self) -> tuple[int, ...]:
        """Shape of a kernel without its channels."""
        return (self.size,) * self.ndim


class PlainConvolution(LeadingConvolution):
    """conv_k: a dense convolution without bias."""

    def setup(self) -> None:
        """Declare the kernel."""
        shape = (*self.taps, self.channels, self.features)
        self.kernel = self.param("kernel", _spread(self.gain), shape)

    def first_kernel(self) -> Array:
        """The only kernel."""
        return self.kernel


class SeparableConvolution(LeadingConvolution):
    """sep_conv_k: dense k, LeakyReLU, depthwise k, pointwise, LeakyReLU; no bias.

    Depthwise and pointwise convolution have no activation between them, so their
    product is one dense kernel `depthwise[t, c] · pointwise[c, f]`: with these few
    channels one dense convolution is faster than a depthwise one on every platform. The
    stride is that of the depthwise convolution, as in the published code.
    """

    @property
    def first_stride(self) -> int:
        """The dense convolution keeps the resolution."""
        return 1

    def setup(self) -> None:
        """Declare the three kernels."""
        taps, channels = self.taps, self.channels
        self.dense = self.param("dense", _spread(), (*taps, channels, channels))
        self.depthwise = self.param("depthwise", _spread(), (*taps, 1, channels))
        self.pointwise = self.param(
            "pointwise", _spread(self.gain), (channels, self.features)
        )

    def first_kernel(self) -> Array:
        """The dense kernel, `channels` to `channels`."""
        return self.dense

    def finish(self, response: Array) -> Array:
        """LeakyReLU, then the product of depthwise and pointwise convolution."""
        pointwise = self.pointwise.reshape((1,) * self.ndim + self.pointwise.shape)
        kernel = jnp.swapaxes(self.depthwise, -1, -2) * pointwise
        return convolution(activation(response), kernel, stride=self.stride)


class DilatedConvolution(LeadingConvolution):
    """dil_conv_k: a dense dilated convolution with bias."""

    def setup(self) -> None:
        """Declare kernel and bias."""
        shape = (*self.taps, self.channels, self.features)
        self.kernel = self.param("kernel", _spread(self.gain), shape)
        zeros = nn.initializers.zeros
        self.bias = self.param("bias", zeros, (self.features,), jnp.float32)

    def first_kernel(self) -> Array:
        """The only kernel."""
        return self.kernel

    def finish(self, response: Array) -> Array:
        """Add the bias."""
        bias = self.bias.reshape((1,) * (self.ndim + 1) + (-1,))
        return response + bias.astype(response.dtype)
