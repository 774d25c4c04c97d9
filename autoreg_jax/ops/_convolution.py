"""One door for every convolution: stride, dilation and groups in any dimension."""

import math
from itertools import product

import jax.numpy as jnp
from jax import Array

from autoreg_jax.ops._bilinear import stride_one


def convolution(
    x: Array, kernel: Array, *, stride: int = 1, dilation: int = 1, groups: int = 1
) -> Array:
    """Correlate a channels-last image with a kernel, zero padded.

    `y[o] = Σ_t x[stride·o + dilation·t − pad] · kernel[t]` with
    `pad = dilation·(k − 1)//2` on both sides of each axis. Derivatives of every order and
    mode (forward, reverse, forward over reverse) run through the same two kernels.

    Args:
        x: Image `(b, *space, c_in)`, one to three spatial axes of any size ≥ 1.
        kernel: Weights `(*k, c_in // groups, c_out)`, as many `k` as spatial axes.
        stride: Step between outputs, ≥ 1, the same on every axis.
        dilation: Distance between taps, ≥ 1, the same on every axis.
        groups: Independent blocks of channels; divides `c_in` and `c_out`.

    Returns:
        `(b, *out, c_out)` in the type of `x`; `out = (n + 2·pad − dilation·(k − 1) − 1)
        // stride + 1` on each axis, so `⌈n / stride⌉` for odd `k`.

    Raises:
        ValueError: If the ranks, channels, stride, dilation or groups do not fit.

    Examples:
        >>> import jax.numpy as jnp
        >>> x = jnp.arange(4.0).reshape(1, 4, 1)
        >>> convolution(x, jnp.array([1.0, 0.0, 2.0]).reshape(3, 1, 1)).ravel().tolist()
        [2.0, 4.0, 7.0, 2.0]
    """
    _check(x, kernel, stride, dilation, groups)
    padding = tuple((dilation * (taps - 1) // 2,) * 2 for taps in kernel.shape[:-2])
    if groups == 1:
        return _strided(x, kernel, stride, dilation, padding)
    if groups == x.shape[-1] == kernel.shape[-1]:
        return _depthwise(x, kernel, stride, dilation, padding)
    parts = zip(
        jnp.split(x, groups, -1), jnp.split(kernel, groups, -1), strict=True
    )
    return jnp.concatenate(
        [_strided(a, k, stride, dilation, padding) for a, k in parts], -1
    )


def _check(x: Array, kernel: Array, stride: int, dilation: int, groups: int) -> None:
    """Refuse what does not fit, in words."""
    if x.ndim != kernel.ndim or x.ndim < 3:
        raise ValueError(
            f"x has shape {x.shape} and kernel {kernel.shape}; expected (b, *space, c_in) "
            "and (*k, c_in // groups, c_out) with equally many spatial axes."
        )
    if stride < 1 or dilation < 1 or groups < 1:
        raise ValueError(
            f"stride, dilation and groups must be at least 1, got {stride}, {dilation}, "
            f"{groups}."
        )
    if x.shape[-1] != kernel.shape[-2] * groups or kernel.shape[-1] % groups:
        raise ValueError(
            f"{x.shape[-1]} input channels in {groups} groups do not fit a kernel of "
            f"shape {kernel.shape}; expected (*k, c_in // groups, c_out)."
        )


def _strided(
    x: Array,
    kernel: Array,
    stride: int,
    dilation: int,
    padding: tuple[tuple[int, int], ...],
) -> Array:
    """Stride `s` as stride-1 convolutions of the phases of the image.

    Tap `t` reads `s·o + dilation·t − pad`. Taps of one residue modulo `s` read one phase
    `x[r::s]` at stride 1; an even dilation at stride 2 needs only one phase of eight.
    """
    if stride == 1:
        return stride_one(x, kernel, dilation=dilation, padding=padding)
    period = stride // math.gcd(stride, dilation)
    spacing = dilation * period // stride
    space, sizes = x.shape[1:-1], kernel.shape[:-2]
    out = tuple(
        (n + low + high - dilation * (k - 1) - 1) // stride + 1
        for n, k, (low, high) in zip(space, sizes, padding, strict=True)
    )
    total: Array | float = 0.0
    for first in product(*(range(min(period, k)) for k in sizes)):
        taps = kernel[tuple(slice(f, None, period) for f in first)]
        offsets = [dilation * f - low for f, (low, _) in zip(first, padding, strict=True)]
        phases = [offset % stride for offset in offsets]
        part = x[(slice(None), *(slice(p, None, stride) for p in phases))]
        if 0 in part.shape:
            continue
        lows = [(p - o) // stride for p, o in zip(phases, offsets, strict=True)]
        widths = tuple(
            (low, n + spacing * (k - 1) - size - low)
            for low, n, k, size in zip(
                lows, out, taps.shape[:-2], part.shape[1:-1], strict=True
            )
        )
        total = total + stride_one(part, taps, dilation=spacing, padding=widths)
    return jnp.asarray(total)


def _depthwise(
    x: Array,
    kernel: Array,
    stride: int,
    dilation: int,
    padding: tuple[tuple[int, int], ...],
) -> Array:
    """Each channel with its own kernel: shifted products that XLA fuses into one loop."""
    space, sizes = x.shape[1:-1], kernel.shape[:-2]
    padded = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    out = tuple(
        (n + low + high - dilation * (k - 1) - 1) // stride + 1
        for n, k, (low, high) in zip(space, sizes, padding, strict=True)
    )
    total: Array | float = 0.0
    for tap in product(*(range(k) for k in sizes)):
        window = tuple(
            slice(dilation * t, dilation * t + stride * (n - 1) + 1, stride)
            for t, n in zip(tap, out, strict=True)
        )
        total = total + padded[(slice(None), *window)] * kernel[(*tap, 0)]
    return jnp.asarray(total)
