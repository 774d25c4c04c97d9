"""Sums over a cubic window, the primitive of every local statistic."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def window_sum(x: Float[Array, "b *space c"], size: int) -> Float[Array, "b *space c"]:
    """Sum of `x` over a centred cube of `size` voxels, zero outside the grid.

    Separable: one pass an axis, and each pass adds sums of 1, 2, 4, … voxels, so that
    a window of 9 costs four additions. Unlike running sums, no large number is ever
    subtracted from another: the float32 error is that of adding `size` terms, and a
    window of zeros sums to exactly zero.

    Args:
        x: Any number of space axes, of any size.
        size: Edge of the window in voxels, odd and positive.

    Returns:
        The sums, same shape as `x`.

    Raises:
        ValueError: If `size` is even or not positive.

    Examples:
        >>> import jax.numpy as jnp
        >>> window_sum(jnp.ones((1, 4, 1)), 3)[0, :, 0]
        Array([2., 3., 3., 2.], dtype=float32)
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"The window must be odd and positive, got {size}.")
    for axis in range(1, x.ndim - 1):
        x = _axis_sum(x, size, axis)
    return x


def _axis_sum(x: Array, size: int, axis: int) -> Array:
    """Window sum along one axis by binary doubling."""
    length = x.shape[axis]
    # Beyond this radius every window already holds the whole axis.
    radius = min(size // 2, length - 1)
    size = 2 * radius + 1
    padding = [(0, 0)] * x.ndim
    padding[axis] = (radius, radius)

    def part(array: Array, start: int, extent: int) -> Array:
        return lax.slice_in_dim(array, start, start + extent, axis=axis)

    # partial[i] is the sum of `width` voxels from i on; the size is odd, so one voxel
    # is always part of the total, and the other powers of two follow it.
    partial, width = jnp.pad(x, padding), 1
    total, start = part(partial, 0, length), 1
    while 2 * width <= size:
        extent = partial.shape[axis] - width
        partial = part(partial, 0, extent) + part(partial, width, extent)
        width *= 2
        if size & width:
            total = total + part(partial, start, length)
            start += width
    return total
