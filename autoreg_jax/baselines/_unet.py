"""The U-Net of VoxelMorph, in the form of the papers and in that of the package."""

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from autoreg_jax.baselines._layers import Convolution
from autoreg_jax.spatial import resize_image


class UNet(nn.Module):
    """Down to a grid coarser by a factor of two a level, and up again with skips.

    Attributes:
        encoder: Channels of each level on the way down, one convolution a level.
        decoder: Channels of the convolutions at the coarsest grid, then after each
            doubling of it; fewer doublings than levels leave a coarser result.
        is_pooled: Convolve, keep that for the skip and take the maximum of each 2^d
            voxels, as the package does; otherwise keep the input and convolve with
            stride 2, as the papers do.
        slope: Of the rectifiers below zero.
    """

    encoder: tuple[int, ...]
    decoder: tuple[tuple[int, ...], ...]
    is_pooled: bool = False
    slope: float = 0.2

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map `(b, *space, c)` to features of the last level of the decoder."""
        skips = []
        for level, features in enumerate(self.encoder):
            stride = 1 if self.is_pooled else 2
            layer = Convolution(
                features, stride=stride, slope=self.slope, name=f"down_{level}"
            )
            if self.is_pooled:
                skips.append(layer(x))
                x = _maxima(skips[-1])
            else:
                skips.append(x)
                x = layer(x)
        for level, widths in enumerate(self.decoder):
            if level:
                skip = skips[-level]
                up = resize_image(x, skip.shape[1:-1])
                x = jnp.concatenate([up, skip], -1)
            for place, features in enumerate(widths):
                name = f"up_{level}_{place}"
                x = Convolution(features, slope=self.slope, name=name)(x)
        return x


def _maxima(x: Array) -> Array:
    """Maximum of each block of 2^d voxels; blocks at the end may be smaller."""
    shape = x.shape[1:-1]
    ends = [(0, size % 2) for size in shape]
    x = jnp.pad(x, [(0, 0), *ends, (0, 0)], mode="edge")
    blocks = [part for size in x.shape[1:-1] for part in (size // 2, 2)]
    axes = tuple(range(2, 2 + 2 * len(shape), 2))
    return jnp.max(x.reshape(len(x), *blocks, x.shape[-1]), axes)
