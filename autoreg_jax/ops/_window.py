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
    partial = jnp.pad(x, padding)  # partial[i] = sum of `width` voxels from i on

    total, start, width = None, 0, 1
    while True:
        if size & width:
            piece = lax.slice_in_dim(partial, start, start + length, axis=axis)
            total = piece if total is None else total + piece
            start += width
        if 2 * width > size:
            return total
        keep = partial.shape[axis] - width
        partial = lax.slice_in_dim(partial, 0, keep, axis=axis) + lax.slice_in_dim(
            partial, width, width + keep, axis=axis
        )
        width *= 2
