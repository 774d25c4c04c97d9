"""Convolutions on a CPU by XLA's two-dimensional ones, which are good there.

A volume is a batch of planes: the taps along the first axis become input channels.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from autoreg_jax.ops._form import Padding
from autoreg_jax.ops._xla import (
    kernel_shape,
    pad,
    plain_convolve,
)

# Convolutions to and from at most so many channels go to Eigen, others to YNNPACK
# (xla/backends/cpu/ynn_support.cc).
_EIGEN = 16
# Bytes of the two matrices of one product: what the cache of a core holds.
_BLOCK = 2**22


def _filled(channels: int, features: int) -> tuple[int, int]:
    """Channels and features with which the same 2-D convolution takes the least time.

    A 3×3 convolution to 4 features runs at 4 to 8 GFLOP/s in Eigen and at 50 in
    YNNPACK, so zero channels that take it there pay; YNNPACK itself is three times
    slower where 9 to 15 features are left over from groups of 16 (12 features: 20 ms;
    16: 8 ms), and a third slower with 1 to 3 or 5 to 7.
    """
    narrow = features <= 4 and channels > 1
    if max(channels, features) <= _EIGEN and (narrow or channels > 8):
        channels = _EIGEN + 2
    if max(channels, features) > _EIGEN and features > 1:
        rest = features % 16
        wanted = next(r for r in (0, 4, 8, 16) if rest <= r)
        features += wanted - rest
    return channels, features


def convolve_planes(
    x: Array, kernel: Array, *, dilation: int, padding: Padding
) -> Array:
    """2-D convolution `(b, h, w, c)` by `(k, k, c, f)`, filled up with zeros."""
    channels, features = kernel.shape[-2:]
    more_channels, more_features = _filled(channels, features)
    extra = more_channels - channels
    if extra:
        x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, extra)))
    if extra or more_features > features:
        wide = ((0, 0), (0, 0), (0, extra), (0, more_features - features))
        kernel = jnp.pad(kernel, wide)
    out = plain_convolve(x, kernel, dilation=dilation, padding=padding)
    return out[..., :features]


def stacked(x: Array, taps: int, depth: int, dilation: int) -> Array:
    """`depth` planes of each image, channels those that `taps` taps of each read."""
    shifted = [x[:, t * dilation : t * dilation + depth] for t in range(taps)]
    return jnp.concatenate(shifted, -1).reshape(-1, *x.shape[2:4], taps * x.shape[-1])


def convolve_stacked(
    x: Array, kernel: Array, *, dilation: int, padding: Padding
) -> Array:
    """Taps along the first axis as input channels of one 2-D convolution."""
    batch, taps = x.shape[0], kernel.shape[0]
    x = pad(x, (padding[0], (0, 0), (0, 0)))
    depth = x.shape[1] - dilation * (taps - 1)
    planes = stacked(x, taps, depth, dilation)
    flat = jnp.moveaxis(kernel, 0, 2).reshape(*kernel.shape[1:3], -1, kernel.shape[-1])
    out = convolve_planes(planes, flat, dilation=dilation, padding=padding[1:])
    return out.reshape(batch, depth, *out.shape[1:])


def stacked_kernel_gradient(
    x: Array,
    cotangent: Array,
    of_planes: Callable[..., Array],
    *,
    dilation: int,
    padding: Padding,
) -> Array:
    """Taps along the first axis as channels of one 2-D kernel gradient."""
    settings = {"dilation": dilation, "padding": padding}
    taps, depth = kernel_shape(x, cotangent, **settings)[0], cotangent.shape[1]
    planes = stacked(pad(x, (padding[0], (0, 0), (0, 0))), taps, depth, dilation)
    flat = cotangent.reshape(-1, *cotangent.shape[2:])
    gradient = of_planes(planes, flat, dilation=dilation, padding=padding[1:])
    shape = (*gradient.shape[:2], taps, x.shape[-1], cotangent.shape[-1])
    return jnp.moveaxis(gradient.reshape(shape), 2, 0)


def images_kernel_gradient(
    x: Array, cotangent: Array, *, dilation: int, padding: Padding
) -> Array:
    """2-D kernel gradient `(k, k, c, f)` as one matrix product over all voxels.

    The columns of the kernel widen the image, its rows the cotangent: two narrow
    matrices instead of one with k·k·c columns. Where they are large, the product is a
    sum over blocks of lines, each with those of all images, which stay an axis.
    """
    rows, columns = kernel_shape(x, cotangent, dilation=dilation, padding=padding)
    channels, features = x.shape[-1], cotangent.shape[-1]
    x, width, reach = pad(x, padding), cotangent.shape[2], dilation * (rows - 1)
    lines = x.shape[1]
    voxel = (columns * channels + rows * features) * x.dtype.itemsize
    wanted = math.ceil(x.shape[0] * lines * width * voxel / _BLOCK)
    length = math.ceil(lines / min(wanted, lines))
    blocks = math.ceil(lines / length)
    more = blocks * length - lines
    x = pad(x, ((0, more), (0, 0)))
    # Line p of the padded image meets line p - t·dilation of the cotangent for tap t.
    around = pad(cotangent, ((reach, lines - cotangent.shape[1] + more), (0, 0)))

    def product(block: Array | int) -> Array:
        image = lax.dynamic_slice_in_dim(x, block * length, length, 1)
        near = lax.dynamic_slice_in_dim(around, block * length, length + reach, 1)
        right = [j * dilation for j in range(columns)]
        down = [reach - i * dilation for i in range(rows)]
        wide = jnp.concatenate([image[:, :, j : j + width] for j in right], -1)
        high = jnp.concatenate([near[:, i : i + length] for i in down], -1)
        return transposed_product(
            wide.reshape(-1, wide.shape[-1]), high.reshape(-1, high.shape[-1])
        )

    total = product(0)
    if blocks > 1:
        total = lax.fori_loop(1, blocks, lambda i, sum_: sum_ + product(i), total)
    kernel = total.reshape(columns, channels, rows, features)
    return jnp.moveaxis(kernel, 2, 0)


def sum_of_images(function: Callable[..., Any], *batches: Any) -> Any:
    """Sum over the images of a batch, each computed where it lies.

    The batch stays an axis until then: a loop over its images would fetch each of them
    to every device.
    """
    if jax.tree.leaves(batches)[0].shape[0] == 1:
        return function(*jax.tree.map(lambda batch: batch[0], batches))
    return jax.tree.map(lambda part: jnp.sum(part, 0), jax.vmap(function)(*batches))


def transposed_product(a: Array, b: Array) -> Array:
    """`aᵀ b`."""
    return lax.dot_general(a, b, (((0,), (0,)), ((), ())))


def voxels(x: Array) -> int:
    """Number of voxels in all images of a batch."""
    return math.prod(x.shape[:-1])
