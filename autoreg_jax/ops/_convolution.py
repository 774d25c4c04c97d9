"""One door for every convolution: stride, dilation and groups in any dimension."""

import jax.numpy as jnp
from jax import Array

from autoreg_jax.ops._dense import dense
from autoreg_jax.ops._depthwise import depthwise
from autoreg_jax.ops._form import Form


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
    form = Form(x.shape[1:-1], kernel.shape[:-2], stride, dilation, padding)
    if groups == 1:
        return dense(x, kernel, form)
    if groups == x.shape[-1] == kernel.shape[-1]:
        return depthwise(x, kernel, form)
    parts = zip(jnp.split(x, groups, -1), jnp.split(kernel, groups, -1), strict=True)
    return jnp.concatenate([dense(a, k, form) for a, k in parts], -1)


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
