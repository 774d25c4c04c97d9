"""XLA's own convolutions of stride 1, and what the other forms are made of."""

import jax.numpy as jnp
from jax import Array, lax

Padding = tuple[tuple[int, int], ...]
_NAMES = {1: "H", 2: "HW", 3: "DHW"}


def plain_convolve(
    x: Array, kernel: Array, *, dilation: int, padding: Padding
) -> Array:
    """`(b, *space, c)` by `(*k, c, f)`."""
    ndim = x.ndim - 2
    space = _NAMES[ndim]
    return lax.conv_general_dilated(
        x,
        kernel,
        (1,) * ndim,
        padding,
        rhs_dilation=(dilation,) * ndim,
        dimension_numbers=(f"N{space}C", f"{space}IO", f"N{space}C"),
    )


def plain_kernel_gradient(
    x: Array, cotangent: Array, *, dilation: int, padding: Padding
) -> Array:
    """The same convolution with batch and channels exchanged."""
    ndim = x.ndim - 2
    space = _NAMES[ndim]
    return lax.conv_general_dilated(
        x,
        cotangent,
        (dilation,) * ndim,
        padding,
        dimension_numbers=(f"C{space}N", f"I{space}O", f"{space}NC"),
    )


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
