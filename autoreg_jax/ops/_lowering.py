"""How a stride-1 convolution and its kernel gradient are computed on each platform.

XLA's CPU convolutions are good in two dimensions and 5 to 50 times slower than needed
in three, so on a CPU a volume is a batch of planes: the taps along the first axis
become input channels of one 2-D convolution, and the kernel gradient is one matrix
product per plane, summed. Other platforms get XLA's own convolution.
"""

import math
from functools import partial

import jax.numpy as jnp
from jax import Array, lax

Padding = tuple[tuple[int, int], ...]
_NAMES = {1: "H", 2: "HW", 3: "DHW"}


def _dimension_numbers(ndim: int) -> tuple[str, str, str]:
    space = _NAMES[ndim]
    return f"N{space}C", f"{space}IO", f"N{space}C"


def _plain_convolve(
    x: Array, kernel: Array, *, dilation: int, padding: Padding
) -> Array:
    """XLA's own convolution."""
    ndim = x.ndim - 2
    return lax.conv_general_dilated(
        x,
        kernel,
        (1,) * ndim,
        padding,
        rhs_dilation=(dilation,) * ndim,
        dimension_numbers=_dimension_numbers(ndim),
    )


def _plain_kernel_gradient(
    x: Array, cotangent: Array, *, dilation: int, padding: Padding
) -> Array:
    """XLA's convolution with batch and channels exchanged."""
    ndim = x.ndim - 2
    space = _NAMES[ndim]
    return lax.conv_general_dilated(
        x,
        cotangent,
        (dilation,) * ndim,
        padding,
        dimension_numbers=(f"C{space}N", f"I{space}O", f"{space}NC"),
    )


def _pad(x: Array, padding: Padding) -> Array:
    """Zero padding of the spatial axes; a negative width crops."""
    widths = [(0, 0, 0), *((low, high, 0) for low, high in padding), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), widths)


def _stacked(x: Array, taps: int, depth: int, dilation: int) -> Array:
    """`depth` planes of each image, channels those that `taps` taps of each read."""
    shifted = [x[:, t * dilation : t * dilation + depth] for t in range(taps)]
    return jnp.concatenate(shifted, -1).reshape(-1, *x.shape[2:4], taps * x.shape[-1])


def _planes_convolve(
    x: Array, kernel: Array, *, dilation: int, padding: Padding
) -> Array:
    """Taps along the first axis as input channels of one 2-D convolution."""
    batch, taps = x.shape[0], kernel.shape[0]
    x = _pad(x, (padding[0], (0, 0), (0, 0)))
    depth = x.shape[1] - dilation * (taps - 1)
    planes = _stacked(x, taps, depth, dilation)
    flat = jnp.moveaxis(kernel, 0, 2).reshape(*kernel.shape[1:3], -1, kernel.shape[-1])
    out = _plain_convolve(planes, flat, dilation=dilation, padding=padding[1:])
    return out.reshape(batch, depth, *out.shape[1:])


def _kernel_shape(x: Array, cotangent: Array, dilation: int, padding: Padding):
    """Taps on each axis of the kernel that maps `x` to `cotangent`."""
    return tuple(
        (size + low + high - out) // dilation + 1
        for size, out, (low, high) in zip(
            x.shape[1:-1], cotangent.shape[1:-1], padding, strict=True
        )
    )


def _planes_kernel_gradient(
    x: Array, cotangent: Array, *, dilation: int, padding: Padding
) -> Array:
    """Sum over planes of (image columns)ᵀ · (cotangents around the plane)."""
    height, width = cotangent.shape[2:4]
    taps, rows, columns = _kernel_shape(x, cotangent, dilation, padding)
    channels, features = x.shape[-1], cotangent.shape[-1]
    x = _pad(x, padding)
    # Plane p of the padded image meets cotangent plane p - t·dilation for tap t.
    reach = dilation * (taps - 1)
    around = _pad(cotangent, ((reach, reach), (0, 0), (0, 0)))
    offsets = [
        (i * dilation, j * dilation) for i in range(rows) for j in range(columns)
    ]

    def add_plane(plane: Array, total: Array, image: int) -> Array:
        block = lax.dynamic_index_in_dim(x[image], plane, 0, keepdims=False)
        patches = jnp.concatenate(
            [block[i : i + height, j : j + width] for i, j in offsets], -1
        ).reshape(height * width, -1)
        near = lax.dynamic_slice_in_dim(around[image], plane, reach + 1, 0)[::dilation]
        near = jnp.moveaxis(near, 0, 2).reshape(height * width, -1)
        return total + _transposed_product(patches, near)

    total = jnp.zeros((rows * columns * channels, taps * features), x.dtype)
    for image in range(x.shape[0]):
        total = lax.fori_loop(0, x.shape[1], partial(add_plane, image=image), total)
    return _unfold(total.reshape(rows, columns, channels, taps, features))


def _stacked_kernel_gradient(
    x: Array, cotangent: Array, *, dilation: int, padding: Padding
) -> Array:
    """Taps along the first axis as channels, then XLA's own 2-D kernel gradient.

    A third of the kernels to compile of `_planes_kernel_gradient`, and quicker to run
    while the planes are small.
    """
    taps, depth = _kernel_shape(x, cotangent, dilation, padding)[0], cotangent.shape[1]
    planes = _stacked(_pad(x, (padding[0], (0, 0), (0, 0))), taps, depth, dilation)
    flat = cotangent.reshape(-1, *cotangent.shape[2:])
    gradient = _plain_kernel_gradient(
        planes, flat, dilation=dilation, padding=padding[1:]
    )
    shape = (*gradient.shape[:2], taps, x.shape[-1], cotangent.shape[-1])
    return jnp.moveaxis(gradient.reshape(shape), 2, 0)


def _transposed_product(a: Array, b: Array) -> Array:
    """`aᵀ b`."""
    return lax.dot_general(a, b, (((0,), (0,)), ((), ())))


def _unfold(kernel: Array) -> Array:
    """`(rows, columns, c, taps, f)` to `(taps, rows, columns, c, f)`.

    The cotangents were gathered upwards from the plane that the last tap meets.
    """
    return jnp.flip(jnp.moveaxis(kernel, 3, 0), 0)


# Up to so many voxels the stacked form wins (measured with 15 to 36 channels: 1.2 to
# 1.9 times quicker at 12×14×12, 1.1 to 2.8 times slower at 24×28×24).
_SMALL = 4096


def _volume_kernel_gradient(
    x: Array, cotangent: Array, *, dilation: int, padding: Padding
) -> Array:
    """Three dimensions: the quicker of the two forms."""
    is_small = math.prod(cotangent.shape[:-1]) <= _SMALL
    form = _stacked_kernel_gradient if is_small else _planes_kernel_gradient
    return form(x, cotangent, dilation=dilation, padding=padding)


def _images_kernel_gradient(
    x: Array, cotangent: Array, *, dilation: int, padding: Padding
) -> Array:
    """Two dimensions: the images of the batch are the planes of one volume."""
    settings = {"dilation": dilation, "padding": ((0, 0), *padding)}
    return _volume_kernel_gradient(x[None], cotangent[None], **settings)[0]


def convolve(x: Array, kernel: Array, *, dilation: int, padding: Padding) -> Array:
    """Stride-1 convolution of `(b, *space, c)` by `(*k, c, f)`."""
    settings = {"dilation": dilation, "padding": padding}
    if set(kernel.shape[:-2]) == {1} and not any(map(any, padding)):
        return jnp.einsum("...c,cf->...f", x, kernel.reshape(kernel.shape[-2:]))
    plain = partial(_plain_convolve, **settings)
    if x.ndim != 5:
        return plain(x, kernel)
    planes = partial(_planes_convolve, **settings)
    return lax.platform_dependent(x, kernel, cpu=planes, default=plain)


def kernel_gradient(
    x: Array, cotangent: Array, *, dilation: int, padding: Padding
) -> Array:
    """The kernel `(*k, c, f)` that pairs `x` `(b, *space, c)` with its cotangent."""
    settings = {"dilation": dilation, "padding": padding}
    if x.shape[:-1] == cotangent.shape[:-1] and not any(map(any, padding)):
        product = jnp.einsum("...c,...f->cf", x, cotangent)
        return product.reshape((1,) * (x.ndim - 2) + product.shape)
    plain = partial(_plain_kernel_gradient, **settings)
    if x.ndim == 3:
        return plain(x, cotangent)
    loops = _images_kernel_gradient if x.ndim == 4 else _volume_kernel_gradient
    return lax.platform_dependent(
        x, cotangent, cpu=partial(loops, **settings), default=plain
    )
