"""VoxelMorph: one U-Net over the two images, side by side."""

from typing import ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from autoreg_jax.baselines._layers import Convolution, head
from autoreg_jax.networks import Registration
from autoreg_jax.spatial import (
    Pyramid,
    half_shape,
    integrate,
    resize_displacement,
    resize_image,
)


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


_ENCODER = (16, 32, 32, 32)


class VoxelMorph(nn.Module):
    """The network of Balakrishnan et al. (IEEE TMI 2019): a displacement, no velocity.

    Encoder 16, 32, 32, 32 with stride 2, decoder 32, 32, 32, 32, 32, 16, 16, all
    kernels 3^d, slope 0.2. Coarse grids see the one field resized, so that the
    objective of this project, Eq. (4), trains it.

    Attributes:
        num_steps: Not used: there is no velocity to integrate.
    """

    num_steps: int = 7
    has_velocity: ClassVar[bool] = False

    @nn.compact
    def __call__(self, moving: Array, fixed: Array, alpha: None = None) -> Registration:
        """Predict the field that pulls `moving` onto `fixed`.

        Args:
            moving: Images `(b, *space, 1)` in [0, 1], two or three spatial axes.
            fixed: The same shape.
            alpha: Not used: there are no mixtures.

        Returns:
            Displacements; the velocity is that at half resolution, which is one to
            first order.
        """
        del alpha
        decoder = ((32,), (32,), (32,), (32, 32), (16, 16))
        x = UNet(_ENCODER, decoder, name="unet")(_side_by_side(moving, fixed))
        return _of_displacement(head(moving.ndim - 2, "velocity")(x))


class BasicVoxelMorph(nn.Module):
    """The network that `voxelmorph` 0.3.4 builds by default.

    Five levels of 16 channels, maxima instead of strides, ReLU, then a convolution of
    one tap to a field and one of 3^d taps from field to field. The package integrates
    the result by default; this is its form without (`integration_steps=0`).

    Attributes:
        num_steps: Not used: there is no velocity to integrate.
    """

    num_steps: int = 7
    has_velocity: ClassVar[bool] = False

    @nn.compact
    def __call__(self, moving: Array, fixed: Array, alpha: None = None) -> Registration:
        """Predict the field that pulls `moving` onto `fixed`; see `VoxelMorph`."""
        del alpha
        ndim = moving.ndim - 2
        net = UNet((16,) * 5, ((16,),) * 6, is_pooled=True, slope=0.0, name="unet")
        x = net(_side_by_side(moving, fixed))
        x = Convolution(ndim, size=1, slope=None, name="out")(x)
        return _of_displacement(head(ndim, "velocity")(x))


class VoxelMorphDiff(nn.Module):
    """The diffeomorphic variant (Dalca et al., MICCAI 2018) without its variance.

    The decoder stops at half resolution, where a stationary velocity is predicted,
    integrated and then upsampled. The paper also predicts a variance, draws velocities
    and adds a prior to its loss; here, as in later releases of its package, the mean is
    the velocity and the loss that of all others.

    Attributes:
        num_steps: Squarings of the velocity.
    """

    num_steps: int = 7

    @nn.compact
    def __call__(self, moving: Array, fixed: Array, alpha: None = None) -> Registration:
        """Predict the field that pulls `moving` onto `fixed`; see `VoxelMorph`."""
        del alpha
        space = moving.shape[1:-1]
        decoder = ((32,), (32,), (32,), (32, 16))
        x = UNet(_ENCODER, decoder, name="unet")(_side_by_side(moving, fixed))
        velocity = head(len(space), "velocity")(x)
        half = integrate(velocity, self.num_steps)
        full = resize_displacement(half, space)
        quarter = resize_displacement(half, half_shape(half.shape[1:-1]))
        return Registration(velocity, Pyramid(full, half, quarter))


def _side_by_side(moving: Array, fixed: Array) -> Array:
    return jnp.concatenate([moving, fixed], -1)


def _of_displacement(full: Array) -> Registration:
    """One displacement on the grids of the three scales."""
    shape = half_shape(full.shape[1:-1])
    half = resize_displacement(full, shape)
    quarter = resize_displacement(full, half_shape(shape))
    return Registration(half, Pyramid(full, half, quarter))
