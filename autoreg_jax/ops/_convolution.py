"""One door for every convolution: stride, dilation and groups in any dimension."""

from itertools import product

import jax.numpy as jnp
from jax import Array

from autoreg_jax.ops._bilinear import convolve_by_form
from autoreg_jax.ops._form import Form, Padding


def convolution(
    x: Array, kernel: Array, *, stride: int = 1, dilation: int = 1, groups: int = 1
) -> Array:
    """Correlate a channels-last image with a kernel, zero padded.

    `y[o] = Σ_t x[stride·o + dilation·t − pad] · kernel[t]` with
    `pad = dilation·(k − 1)//2` on both sides of each axis. Derivatives of every order
    and mode (forward, reverse, forward over reverse) run through the same two kernels.

    Args:
        x: Image `(b, *space, c_in)`, one to three spatial axes of any size ≥ 1.
        kernel: Weights `(*k, c_in // groups, c_out)`, as many `k` as spatial axes; they
            are rounded to the type of `x`.
        stride: Step between outputs, ≥ 1, the same on every axis.
        dilation: Distance between taps, ≥ 1, the same on every axis.
        groups: Independent blocks of channels; divides `c_in` and `c_out`.

    Returns:
        `(b, *out, c_out)` in the type of `x`, half precision summed in single; `out =
        (n + 2·pad − dilation·(k − 1) − 1) // stride + 1` on each axis, so `⌈n /
        stride⌉` for odd `k`.

    Raises:
        ValueError: If the ranks, channels, stride, dilation or groups do not fit.

    Examples:
        >>> import jax.numpy as jnp
        >>> x = jnp.arange(4.0).reshape(1, 4, 1)
        >>> convolution(x, jnp.array([1.0, 0.0, 2.0]).reshape(3, 1, 1)).ravel().tolist()
        [2.0, 4.0, 7.0, 2.0]
    """
    _check(x, kernel, stride, dilation, groups)
    kernel = kernel.astype(x.dtype)
    widths = [dilation * (taps - 1) // 2 for taps in kernel.shape[:-2]]
    padding = tuple((width, width) for width in widths)
    if groups == 1:
        return _strided(x, kernel, stride, dilation, padding)
    if groups == x.shape[-1] == kernel.shape[-1]:
        return _depthwise(x, kernel, stride, dilation, padding)
    parts = zip(jnp.split(x, groups, -1), jnp.split(kernel, groups, -1), strict=True)
    return jnp.concatenate(
        [_strided(a, k, stride, dilation, padding) for a, k in parts], -1
    )


def _check(x: Array, kernel: Array, stride: int, dilation: int, groups: int) -> None:
    """Refuse what does not fit, in words."""
    if x.ndim != kernel.ndim or x.ndim < 3:
        raise ValueError(
            f"x has shape {x.shape} and kernel {kernel.shape}; expected "
            "(b, *space, c_in) and (*k, c_in // groups, c_out) with equally many "
            "spatial axes."
        )
    if stride < 1 or dilation < 1 or groups < 1:
        raise ValueError(
            "stride, dilation and groups must be at least 1, got "
            f"{stride}, {dilation}, {groups}."
        )
    if x.shape[-1] != kernel.shape[-2] * groups or kernel.shape[-1] % groups:
        raise ValueError(
            f"{x.shape[-1]} input channels in {groups} groups do not fit a kernel of "
            f"shape {kernel.shape}; expected (*k, c_in // groups, c_out)."
        )


def _strided(
    x: Array, kernel: Array, stride: int, dilation: int, padding: Padding
) -> Array:
    """A dense convolution with the fewest products.

    Output `o` reads `stride·o + dilation·t − pad`. If the stride divides the dilation,
    all taps of an output lie in one phase `x[r::stride]`. With another dilation, which
    no network here uses, every output is computed and some are kept.
    """
    form = Form(x.shape[1:-1], kernel.shape[:-2], stride, dilation, padding)
    if stride == 1 or dilation == 1:
        return convolve_by_form(x, kernel, form)
    if dilation % stride == 0:
        first = [-low % stride for low, _ in padding]
        phase = x[(slice(None), *(slice(f, None, stride) for f in first))]
        space, dilation = phase.shape[1:-1], dilation // stride
        widths = []
        for f, (low, _), n, k, size in zip(
            first, padding, form.out, form.taps, space, strict=True
        ):
            before = (low + f) // stride
            widths.append((before, n + dilation * (k - 1) - size - before))
        one = Form(space, form.taps, 1, dilation, tuple(widths))
        return convolve_by_form(phase, kernel, one)
    every = convolve_by_form(x, kernel, form._replace(stride=1))
    return every[(slice(None), *(slice(None, None, stride) for _ in form.out))]


def _depthwise(
    x: Array,
    kernel: Array,
    stride: int,
    dilation: int,
    padding: Padding,
) -> Array:
    """Each channel with its own kernel: shifted products, fused into one loop."""
    wide = jnp.promote_types(x.dtype, jnp.float32)
    padded = jnp.pad(x, ((0, 0), *padding, (0, 0))).astype(wide)
    out = Form(x.shape[1:-1], kernel.shape[:-2], stride, dilation, padding).out
    total: Array | float = 0.0
    for tap in product(*(range(k) for k in kernel.shape[:-2])):
        window = tuple(
            slice(dilation * t, dilation * t + stride * (n - 1) + 1, stride)
            for t, n in zip(tap, out, strict=True)
        )
        total = total + padded[(slice(None), *window)] * kernel[tap].reshape(
            (1,) * (x.ndim - 1) + (-1,)
        )
    return jnp.asarray(total, x.dtype)
