"""Convolutions with a stride as those of its phases, without one.

The voxels `x[r::stride]` of each phase become channels of a smaller image, the taps
accordingly. On a CPU, where XLA's own convolutions with a stride are slow.
"""

import jax.numpy as jnp
from jax import Array

from autoreg_jax.ops._form import Form


def phase_form(form: Form) -> Form:
    """The convolution of the phases; `form` has no dilation."""
    stride = form.stride
    shifts = _shifts(form)
    lows = [
        (low + e) // stride for e, (low, _) in zip(shifts, form.padding, strict=True)
    ]
    taps = tuple(-(-(e + k) // stride) for e, k in zip(shifts, form.taps, strict=True))
    space = tuple(-(-n // stride) for n in form.space)
    padding = tuple(
        (low, n + k - 1 - size - low)
        for low, n, k, size in zip(lows, form.out, taps, space, strict=True)
    )
    return Form(space, taps, 1, 1, padding)


def image_phases(x: Array, form: Form) -> Array:
    """`(b, *space, c)` to `(b, *⌈space / s⌉, s^d·c)`."""
    even = [(0, -n % form.stride) for n in form.space]
    padded = jnp.pad(x, [(0, 0), *even, (0, 0)])
    return _to_channels(padded[..., None], form.stride)[..., 0]


def kernel_phases(kernel: Array, form: Form) -> Array:
    """`(*taps, c, f)` to the kernel of the phases."""
    widths = [
        (e, -(e + k) % form.stride)
        for e, k in zip(_shifts(form), form.taps, strict=True)
    ]
    padded = jnp.pad(kernel, [*widths, (0, 0), (0, 0)])
    return _to_channels(padded[None], form.stride)[0]


def image_of_phases(phases: Array, form: Form) -> Array:
    """Undo `image_phases`."""
    image = _from_channels(phases[..., None], form.stride)[..., 0]
    return image[(slice(None), *(slice(n) for n in form.space))]


def kernel_of_phases(phases: Array, form: Form) -> Array:
    """Undo `kernel_phases`."""
    kernel = _from_channels(phases[None], form.stride)[0]
    return kernel[
        tuple(slice(e, e + k) for e, k in zip(_shifts(form), form.taps, strict=True))
    ]


def _shifts(form: Form) -> list[int]:
    """Zeros before the first tap, so that it lies in the first phase."""
    return [-low % form.stride for low, _ in form.padding]


def _to_channels(x: Array, stride: int) -> Array:
    """`(b, *(s·n), c, f)` to `(b, *n, s^d·c, f)`."""
    space = x.shape[1:-2]
    split = [size for n in space for size in (n // stride, stride)]
    x = x.reshape(x.shape[0], *split, *x.shape[-2:])
    ndim = len(space)
    order = [0, *range(1, 2 * ndim, 2), *range(2, 2 * ndim + 1, 2)]
    x = x.transpose(*order, 2 * ndim + 1, 2 * ndim + 2)
    return x.reshape(*x.shape[: ndim + 1], -1, x.shape[-1])


def _from_channels(x: Array, stride: int) -> Array:
    """Undo `_to_channels`."""
    space = x.shape[1:-2]
    ndim = len(space)
    channels = x.shape[-2] // stride**ndim
    x = x.reshape(x.shape[0], *space, *(stride,) * ndim, channels, x.shape[-1])
    pairs = [axis for i in range(1, ndim + 1) for axis in (i, ndim + i)]
    x = x.transpose(0, *pairs, 2 * ndim + 1, 2 * ndim + 2)
    return x.reshape(x.shape[0], *(stride * n for n in space), channels, x.shape[-1])
