"""A start for registration without a model: the best of a few whole-voxel motions."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from autoreg_jax.ops import repeat_border, window_sum

# Voxels by which features are moved at most, along each axis; edge of the windows that
# smooth costs and motions.
_REACH, _WINDOW = 3, 3
# Weights of the distance from the smoothed motion, in turn, in standard deviations of
# the cost a voxel.
_COUPLINGS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


@jax.jit
def discrete_velocity(
    fixed: Float[Array, "1 *space k"],
    moving: Float[Array, "1 *space k"],
    weight: Float[Array, "1 *space 1"] | None = None,
) -> Float[Array, "1 *space d"]:
    """Find a smooth velocity for features that are up to three voxels apart.

    Of all motions by -3 to 3 whole voxels along each axis, each voxel takes the one
    with the least squared difference, then in turn the one that is also close to the
    mean motion of its neighbours (Heinrich et al., MICCAI 2014, "Non-parametric
    discrete registration with convex optimisation"). Half of the difference of both
    directions is the velocity: it is that of the inverse with the opposite sign.

    Args:
        fixed: Features on a coarse grid; the reach is in its voxels.
        moving: The same shape.
        weight: Of each voxel of the fixed image, 0 to 1; default: 1.

    Returns:
        Velocity in voxels of the grid.
    """
    there = _displacement(fixed, moving, weight)
    back = _displacement(moving, fixed, None)
    return (there - back)[None] / 2


def _displacement(fixed: Array, moving: Array, weight: Array | None) -> Array:
    """Smooth displacement `(*space, d)` from coupled searches."""
    dimensions = fixed.ndim - 2
    steps = list(itertools.product(range(2 * _REACH + 1), repeat=dimensions))
    motions = jnp.asarray(np.asarray(steps) - _REACH, fixed.dtype)
    wider = repeat_border(moving, (_REACH,) * dimensions)

    def cost_of(step: Array) -> Array:
        zero = jnp.zeros((), step.dtype)
        moved = lax.dynamic_slice(wider, (zero, *step, zero), fixed.shape)
        return jnp.mean((fixed - moved) ** 2, -1)[0]

    costs = lax.map(cost_of, jnp.asarray(steps))
    if weight is not None:
        costs = costs * weight[..., 0]
    costs = _smoothed(costs)
    scale = jnp.mean(jnp.std(costs, 0))

    def chosen(total: Array) -> Array:
        nearest = jnp.moveaxis(motions[jnp.argmin(total, 0)], -1, 0)
        return _smoothed(nearest)

    found = chosen(costs)
    along = (-1, *[1] * dimensions)
    for coupling in _COUPLINGS:
        distance = sum(
            (motions[:, axis].reshape(along) - found[axis][None]) ** 2
            for axis in range(dimensions)
        )
        found = chosen(costs + coupling * scale * distance)
    return jnp.moveaxis(found, 0, -1)


def _smoothed(x: Float[Array, "n *space"]) -> Array:
    """Mean over a cube around each voxel; the edge is repeated."""
    radius, dimensions = _WINDOW // 2, x.ndim - 1
    wider = repeat_border(x[..., None], (radius,) * dimensions)
    inside = tuple(slice(radius, radius + size) for size in x.shape[1:])
    sums = window_sum(wider, _WINDOW)[..., 0]
    return sums[(slice(None), *inside)] / _WINDOW**dimensions
