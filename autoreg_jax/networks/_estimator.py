"""The velocity that one scale sees between two feature maps."""

from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from autoreg_jax.networks._matching import Matching, correlations
from autoreg_jax.ops import convolution

# Fields of a fraction of a voxel: with a third of it training stays on a plateau for
# some hundred steps, on the kinks that linear interpolation has at whole voxels.
_HEAD_SCALE = 0.03


class VelocityHead(nn.Module):
    """A 3-tap convolution from features to a velocity, one channel an axis.

    Attributes:
        ndim: Number of spatial axes.
    """

    ndim: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map `(b, *space, c)` to `(b, *space, ndim)`, in voxels."""
        shape = (3,) * self.ndim + (x.shape[-1], self.ndim)
        normal, zeros = nn.initializers.normal(_HEAD_SCALE), nn.initializers.zeros
        kernel = self.param("kernel", normal, shape, jnp.float32)
        bias = self.param("bias", zeros, (self.ndim,), jnp.float32)
        return convolution(x, kernel) + bias.reshape((1,) * (self.ndim + 1) + (-1,))


def estimate(  # noqa: PLR0913
    moving: Array,
    fixed: Array,
    context: tuple[Array, ...],
    *,
    cell: Callable[[Array], Array],
    head: VelocityHead,
    fusion: str,
    matching: Matching | None = None,
    correlation: int | None = None,
    modulate: Callable[[Array], tuple[Array, Array]] | None = None,
) -> tuple[Array, Array]:
    """Deformation features and velocity at one scale.

    Args:
        moving: Moving features `(b, *space, c)`, warped by what is known.
        fixed: Fixed features, the same shape.
        context: What else the cell sees, each `(b, *space, channels)`.
        cell: The deformation cell.
        head: From its features to the velocity.
        fusion: "concatenation", or "sum_difference".
        matching: Its offsets are seen by the cell, and added to the velocity.
        correlation: Radius of the correlations that the cell sees, if any.
        modulate: Features -> features and a factor of the velocity, see `Modulation`.

    Returns:
        Features `(b, *space, channels)` and velocity `(b, *space, d)` in voxels.
    """
    stack = [moving, fixed]
    if fusion == "sum_difference":
        stack = [fixed + moving, fixed - moving]
    stack += context
    if correlation is not None:
        stack.append(jnp.moveaxis(correlations(fixed, moving, correlation), 0, -1))
    matched = None if matching is None else matching(fixed, moving)
    if matched is not None:
        stack.append(matched)
    features = cell(jnp.concatenate(stack, -1))
    size = None
    if modulate is not None:
        features, size = modulate(features)
    velocity = head(features)
    velocity = velocity if matched is None else velocity + matched
    return features, velocity if size is None else size * velocity
