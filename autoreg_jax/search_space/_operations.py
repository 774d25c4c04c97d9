"""The eight candidate operations, each ending in LeakyReLU(0.2).

Every operation begins with one dense convolution of its input. That kernel and what
follows it are separate methods, so that a mixture can compute the first convolutions of
all its candidates together.
"""

from abc import abstractmethod

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from autoreg_jax.ops import convolution

SLOPE = 0.2


def _spread(gain: float = 1.0) -> nn.initializers.Initializer:
    """Keeps the variance through LeakyReLU (He et al. 2015, Eq. 15), times `gain`².

    Uniform: the inverse error function of normal numbers takes long to compile.
    """
    return nn.initializers.variance_scaling(
        gain**2 * 2 / (1 + SLOPE**2), "fan_in", "uniform"
    )


def activation(x: Array) -> Array:
    """LeakyReLU with slope 0.2, behind every convolution of the search space."""
    return nn.leaky_relu(x, SLOPE)


class Operation(nn.Module):
    """A candidate: a dense convolution of the input, and the rest.

    Attributes:
        channels: Input channels.
        features: Output channels.
        size: Taps on each axis, odd.
        ndim: Number of spatial axes.
        stride: 1 or 2.
        gain: Factor on the spread with which the last kernel starts.
    """

    channels: int
    features: int
    size: int
    ndim: int
    stride: int = 1
    gain: float = 1.0

    dilation = 1

    @abstractmethod
    def first_kernel(self) -> Array:
        """Kernel `(*k, channels, f)` of the first convolution."""

    def finish(self, response: Array) -> Array:
        """Map the first convolution's output to `(b, *space, features)`.

        What comes out still has to pass `activation`.
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


class PlainConvolution(Operation):
    """conv_k: a dense convolution without bias."""

    def setup(self) -> None:
        """Declare the kernel."""
        shape = (*self.taps, self.channels, self.features)
        self.kernel = self.param("kernel", _spread(self.gain), shape)

    def first_kernel(self) -> Array:
        """The only kernel."""
        return self.kernel


class SeparableConvolution(Operation):
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


class DilatedConvolution(Operation):
    """dil_conv_k: a dense convolution of dilation 2 with bias."""

    dilation = 2

    def setup(self) -> None:
        """Declare kernel and bias."""
        shape = (*self.taps, self.channels, self.features)
        self.kernel = self.param("kernel", _spread(self.gain), shape)
        self.bias = self.param("bias", nn.initializers.zeros, (self.features,))

    def first_kernel(self) -> Array:
        """The only kernel."""
        return self.kernel

    def finish(self, response: Array) -> Array:
        """Bias."""
        bias = self.bias.reshape((1,) * (self.ndim + 1) + (-1,))
        return response + bias.astype(response.dtype)


class WidelyDilatedConvolution(DilatedConvolution):
    """dil_conv_k_8: the same with dilation 8, in no search space."""

    dilation = 8


_KINDS: dict[str, type[Operation]] = {
    "conv": PlainConvolution,
    "sep_conv": SeparableConvolution,
    "dil_conv": DilatedConvolution,
    "dil_conv_8": WidelyDilatedConvolution,
}


def make_operation(
    name: str,
    channels: int,
    features: int,
    ndim: int,
    stride: int = 1,
    gain: float = 1.0,
) -> Operation:
    """Build one candidate by its name.

    Args:
        name: One of `OPERATIONS`, or `dil_conv_3_8` of the published code.
        channels: Input channels.
        features: Output channels.
        ndim: Number of spatial axes.
        stride: 1 or 2.
        gain: Factor on the spread with which the last kernel starts.

    Returns:
        A module named `name`; names are part of the checkpoint format.
    """
    kind, size = name.removesuffix("_8").rsplit("_", 1)
    kind += "_8" if name.endswith("_8") else ""
    return _KINDS[kind](channels, features, int(size), ndim, stride, gain, name=name)
