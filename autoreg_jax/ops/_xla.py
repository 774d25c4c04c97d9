"""XLA's own convolutions, and what the other forms are made of."""

import jax.numpy as jnp
from jax import Array, lax

from autoreg_jax.ops._form import Form, Padding

_NAMES = {1: "H", 2: "HW", 3: "DHW"}


def plain_convolve(
    x: Array, kernel: Array, *, dilation: int, padding: Padding, stride: int = 1
) -> Array:
    """`(b, *space, c)` by `(*k, c, f)`."""
    ndim = x.ndim - 2
    space = _NAMES[ndim]
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride,) * ndim,
        padding,
        rhs_dilation=(dilation,) * ndim,
        dimension_numbers=(f"N{space}C", f"{space}IO", f"N{space}C"),
    )


def plain_image_gradient(cotangent: Array, kernel: Array, *, form: Form) -> Array:
    """The flipped kernel over the cotangent, zeros between its voxels for a stride."""
    ndim = kernel.ndim - 2
    space = _NAMES[ndim]
    return lax.conv_general_dilated(
        cotangent,
        flipped(kernel),
        (1,) * ndim,
        form.back,
        lhs_dilation=(form.stride,) * ndim,
        rhs_dilation=(form.dilation,) * ndim,
        dimension_numbers=(f"N{space}C", f"{space}IO", f"N{space}C"),
    )


def plain_kernel_gradient(
    x: Array, cotangent: Array, *, dilation: int, padding: Padding, stride: int = 1
) -> Array:
    """The same convolution with batch and channels exchanged."""
    ndim = x.ndim - 2
    space = _NAMES[ndim]
    return lax.conv_general_dilated(
        x,
        cotangent,
        (dilation,) * ndim,
        padding,
        rhs_dilation=(stride,) * ndim,
        dimension_numbers=(f"C{space}N", f"I{space}O", f"{space}NC"),
    )


def phased_kernel_gradient(
    x: Array, cotangent: Array, *, dilation: int, padding: Padding
) -> Array:
    """The voxels of each phase of the dilation as images of one larger batch."""
    taps = kernel_shape(x, cotangent, dilation=dilation, padding=padding)
    widths_of_x, widths_of_cotangent = [], []
    for size, out, k, (low, _) in zip(
        x.shape[1:-1], cotangent.shape[1:-1], taps, padding, strict=True
    ):
        blocks = -(-out // dilation)
        widths_of_x.append((low, dilation * (blocks + k - 1) - size - low))
        widths_of_cotangent.append((0, dilation * blocks - out))
    return plain_kernel_gradient(
        _phases(pad(x, tuple(widths_of_x)), dilation),
        _phases(pad(cotangent, tuple(widths_of_cotangent)), dilation),
        dilation=1,
        padding=((0, 0),) * len(taps),
    )


def _phases(x: Array, dilation: int) -> Array:
    """`(b, *space, c)` to `(dilation^d b, *space / dilation, c)`."""
    ndim = x.ndim - 2
    blocks = [n // dilation for n in x.shape[1:-1]]
    split = [size for n in blocks for size in (n, dilation)]
    parts = x.reshape(x.shape[0], *split, x.shape[-1])
    phases, places = range(2, 2 * ndim + 1, 2), range(1, 2 * ndim, 2)
    order = (*phases, 0, *places, 2 * ndim + 1)
    return jnp.transpose(parts, order).reshape(-1, *blocks, x.shape[-1])


def flipped(kernel: Array) -> Array:
    """The kernel that carries an output back to the image."""
    axes = tuple(range(kernel.ndim - 2))
    return jnp.swapaxes(jnp.flip(kernel, axes), -1, -2)


def pad(x: Array, padding: Padding) -> Array:
    """Zero padding of the spatial axes; a negative width crops."""
    widths = [(0, 0, 0), *((low, high, 0) for low, high in padding), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), widths)


def kernel_shape(
    x: Array, cotangent: Array, *, dilation: int, padding: Padding
) -> tuple[int, ...]:
    """Taps on each axis of the kernel that maps `x` to `cotangent`."""
    return tuple(
        (size + low + high - out) // dilation + 1
        for size, out, (low, high) in zip(
            x.shape[1:-1], cotangent.shape[1:-1], padding, strict=True
        )
    )
