"""The layer of which all rival networks consist."""

from flax import linen as nn
from jax import Array

from autoreg_jax.ops import convolution

# As the head of the registration network: fields of a fraction of a voxel.
HEAD_SCALE = 0.03


class Convolution(nn.Module):
    """A convolution with a bias, and a leaky rectifier where there is a slope.

    Attributes:
        features: Output channels.
        size: Taps on each axis.
        stride: Step between outputs.
        dilation: Distance between taps.
        slope: Of the rectifier below zero; None for none.
        scale: Initial standard deviation of the kernel; None for the one that keeps
            the variance (He et al. 2015).
    """

    features: int
    size: int = 3
    stride: int = 1
    dilation: int = 1
    slope: float | None = 0.2
    scale: float | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map `(b, *space, c)` to `(b, *out, features)`."""
        ndim = x.ndim - 2
        shape = (self.size,) * ndim + (x.shape[-1], self.features)
        gain = 2 / (1 + (self.slope or 0.0) ** 2)
        start = nn.initializers.variance_scaling(gain, "fan_in", "normal")
        if self.scale is not None:
            start = nn.initializers.normal(self.scale)
        kernel = self.param("kernel", start, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        response = convolution(x, kernel, stride=self.stride, dilation=self.dilation)
        response = response + bias.reshape((1,) * (ndim + 1) + (-1,))
        if self.slope is None:
            return response
        return nn.leaky_relu(response, self.slope)


def head(ndim: int, name: str) -> Convolution:
    """The convolution that predicts a field, one channel for each axis.

    Args:
        ndim: Number of spatial axes.
        name: Must begin with `velocity`: initialisation recognises a head by it.
    """
    return Convolution(ndim, slope=None, scale=HEAD_SCALE, name=name)
