"""MultiPropReg: features, the cost of their difference, a field refined by context."""

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from autoreg_jax.baselines._layers import Convolution, head
from autoreg_jax.networks import Registration
from autoreg_jax.spatial import (
    Pyramid,
    integrate,
    resize_displacement,
    resize_image,
    warp,
)

_FEATURES = (16, 32)
_MATCHING = (48, 32, 16)
# Channels and dilation of the context that refines a velocity.
_CONTEXT = ((48, 1), (48, 2), (32, 4))


class MultiPropReg(nn.Module):
    """The network of Liu et al. (IEEE TPAMI 2022), the rival of the same authors.

    Shared features of 16 channels at 1/2 and 32 at 1/4 of the resolution, each from a
    strided kernel of 4^d taps and two of 3^d. At a scale, ‖f − m‖₁ over the channels of
    fixed and (warped) moving features and the fixed features predict a velocity by 48,
    32, 16 channels; three dilated convolutions (1, 2, 4) of that velocity correct it.
    In three dimensions it has 526,444 weights, the 0.526 million of Table VI.

    The published code also doubles features where it upsamples them, with a function
    that is made for vectors; here they are left unchanged.

    Attributes:
        num_steps: Squarings of a velocity.
    """

    num_steps: int = 7

    @nn.compact
    def __call__(self, moving: Array, fixed: Array, alpha: None = None) -> Registration:
        """Predict the field that pulls `moving` onto `fixed`.

        Args:
            moving: Images `(b, *space, 1)` in [0, 1], two or three spatial axes.
            fixed: The same shape.
            alpha: Not used: there are no mixtures.

        Returns:
            Velocity and displacements.
        """
        del alpha
        (f_half, m_half), (f_quarter, m_quarter) = self._features(moving, fixed)
        space, half = moving.shape[1:-1], f_half.shape[1:-1]

        stack = [_cost(f_quarter, m_quarter), f_quarter]
        velocity, features = self._velocity("quarter", stack)
        u_quarter = integrate(self._refined("quarter", velocity), self.num_steps)

        u_coarse = resize_displacement(u_quarter, half)
        warped = warp(m_half, u_coarse)
        context = resize_image(features, half)
        stack = [_cost(f_half, warped), f_half, u_coarse, context]
        velocity, _ = self._velocity("half", stack)
        velocity = self._refined("half", velocity + u_coarse)
        u_half = integrate(velocity, self.num_steps)
        u_full = resize_displacement(u_half, space)
        return Registration(velocity, Pyramid(u_full, u_half, u_quarter))

    def _features(self, moving: Array, fixed: Array) -> list[list[Array]]:
        """Features of fixed and moving image at half, then at quarter resolution."""
        x, scales = jnp.concatenate([fixed, moving]), []
        for scale, width in zip(("half", "quarter"), _FEATURES, strict=True):
            # Four taps see one voxel beside each pair: an odd axis lacks the last one.
            odd = [(0, size % 2) for size in x.shape[1:-1]]
            x = jnp.pad(x, [(0, 0), *odd, (0, 0)])
            for place, (size, stride) in enumerate(((4, 2), (3, 1), (3, 1))):
                name = f"feature_{scale}_{place}"
                x = Convolution(width, size=size, stride=stride, name=name)(x)
            scales.append(jnp.split(x, 2))
        return scales

    def _velocity(self, scale: str, stack: list[Array]) -> tuple[Array, Array]:
        """Velocity of a scale, and the features that predict it."""
        x = jnp.concatenate(stack, -1)
        for place, width in enumerate(_MATCHING):
            x = Convolution(width, name=f"matching_{scale}_{place}")(x)
        return head(x.ndim - 2, f"velocity_{scale}")(x), x

    def _refined(self, scale: str, velocity: Array) -> Array:
        """A velocity corrected by its context."""
        x = velocity
        for place, (width, dilation) in enumerate(_CONTEXT):
            name = f"context_{scale}_{place}"
            x = Convolution(width, dilation=dilation, slope=0.1, name=name)(x)
        return velocity + head(x.ndim - 2, f"velocity_{scale}_context")(x)


def _cost(fixed: Array, moving: Array) -> Array:
    """‖f − m‖₁ over the channels of each voxel, `(b, *space, 1)`."""
    return jnp.sum(jnp.abs(fixed - moving), -1, keepdims=True)
