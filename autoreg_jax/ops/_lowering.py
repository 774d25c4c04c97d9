"""How a stride-1 convolution and its kernel gradient are computed on each platform.

| platform | image | form | why |
| --- | --- | --- | --- |
| any | kernel of one tap | matrix product | it is one |
| other than CPU | any | XLA's own | tensor cores |
| CPU | 1-D | XLA's own | nothing here needs it |
| CPU | 2-D | XLA's own, filled up with zero channels | see `_planes._filled` |
| CPU | 3-D, narrow or small | taps as channels of a 2-D one | 5-50 times XLA's 3-D |
| CPU | 3-D | 2-D ones by Winograd's algorithm | half the products |
| CPU | bfloat16 | as float32, rounded at the end | XLA has no fast one there |

The kernel gradients on a CPU are matrix products over the voxels of all images, or of
one plane after the other; those of small volumes are XLA's own 2-D ones. Elsewhere they
are XLA's own, but of dilated kernels on the phases of the dilation as a batch: on an
H200 a kernel gradient whose window has strides takes 5 to 15 times as long as
PyTorch's. Measurements: `tests/benchmarks/README.md`.
"""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
from jax import Array, lax

from autoreg_jax.ops._planes import (
    convolve_planes,
    convolve_stacked,
    images_kernel_gradient,
    stacked_kernel_gradient,
    voxels,
)
from autoreg_jax.ops._tiled import tiled_convolve, tiled_kernel_gradient
from autoreg_jax.ops._winograd import best_tile
from autoreg_jax.ops._xla import (
    Padding,
    kernel_shape,
    phased_kernel_gradient,
    plain_convolve,
    plain_kernel_gradient,
)

# Up to so many voxels the stacked forms win (measured with 15 to 36 channels: 1.2 to
# 1.9 times quicker at 12×14×12, 1.1 to 2.8 times slower at 24×28×24).
_SMALL = 4096
# From so many channels on both sides Winograd's sums cost less than they save.
_WIDE = 12


def _volume_convolve(
    x: Array, kernel: Array, *, dilation: int, padding: Padding
) -> Array:
    """A volume on a CPU."""
    settings = {"dilation": dilation, "padding": padding}
    length = x.shape[1] + sum(padding[0]) - dilation * (kernel.shape[0] - 1)
    tile = best_tile(length, kernel.shape[0], dilation)
    is_wide = min(kernel.shape[-2:]) >= _WIDE and voxels(x) > _SMALL
    if tile is None or not is_wide:
        return convolve_stacked(x, kernel, **settings)
    return tiled_convolve(x, kernel, tile, **settings)


def _volume_kernel_gradient(
    x: Array, cotangent: Array, *, dilation: int, padding: Padding
) -> Array:
    """A volume on a CPU."""
    settings = {"dilation": dilation, "padding": padding}
    if voxels(cotangent) <= _SMALL:
        return stacked_kernel_gradient(x, cotangent, plain_kernel_gradient, **settings)
    taps = kernel_shape(x, cotangent, **settings)[0]
    tile = best_tile(cotangent.shape[1], taps, dilation)
    if tile is None:
        return stacked_kernel_gradient(x, cotangent, images_kernel_gradient, **settings)
    return tiled_kernel_gradient(x, cotangent, tile, **settings)


_CPU_CONVOLVE = {3: plain_convolve, 4: convolve_planes, 5: _volume_convolve}
_CPU_KERNEL_GRADIENT = {
    3: plain_kernel_gradient,
    4: images_kernel_gradient,
    5: _volume_kernel_gradient,
}


def _on_platform(
    a: Array, b: Array, cpu: Callable[..., Array], default: Callable[..., Array]
) -> Array:
    """Pick one of two forms; half precision is summed in single."""
    dtype = a.dtype
    is_half = dtype.itemsize < 4

    def in_single(function: Callable[..., Array]) -> Callable[..., Array]:
        if not is_half:
            return function
        single = jnp.float32
        return lambda a, b: function(a.astype(single), b.astype(single)).astype(dtype)

    return lax.platform_dependent(a, b, cpu=in_single(cpu), default=default)


def convolve(x: Array, kernel: Array, *, dilation: int, padding: Padding) -> Array:
    """Stride-1 convolution of `(b, *space, c)` by `(*k, c, f)`."""
    settings = {"dilation": dilation, "padding": padding}
    if set(kernel.shape[:-2]) == {1} and not any(map(any, padding)):
        return jnp.einsum("...c,cf->...f", x, kernel.reshape(kernel.shape[-2:]))
    return _on_platform(
        x,
        kernel,
        partial(_CPU_CONVOLVE[x.ndim], **settings),
        partial(plain_convolve, **settings),
    )


def kernel_gradient(
    x: Array, cotangent: Array, *, dilation: int, padding: Padding
) -> Array:
    """The kernel `(*k, c, f)` that pairs `x` `(b, *space, c)` with its cotangent."""
    settings = {"dilation": dilation, "padding": padding}
    if x.shape[:-1] == cotangent.shape[:-1] and not any(map(any, padding)):
        product = jnp.einsum("...c,...f->cf", x, cotangent)
        return product.reshape((1,) * (x.ndim - 2) + product.shape)
    default = plain_kernel_gradient if dilation == 1 else phased_kernel_gradient
    return _on_platform(
        x,
        cotangent,
        partial(_CPU_KERNEL_GRADIENT[x.ndim], **settings),
        partial(default, **settings),
    )
