"""One door for every convolution: stride, dilation and groups in any dimension."""

from itertools import product

import jax.numpy as jnp
from jax import Array

from autoreg_jax.ops._bilinear import Padding, stride_one


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
    """Stride as a stride-1 convolution of fewer voxels.

    Output `o` reads `stride·o + dilation·t − pad`. If the stride divides the dilation,
    all taps of an output lie in one phase `x[r::stride]`; without dilation the phases
    become channels. The rest, which no network here uses, computes every output and
    keeps some.
    """
    if stride == 1:
        return stride_one(x, kernel, dilation=dilation, padding=padding)
    out = _output_shape(x, kernel, stride, dilation, padding)
    if dilation % stride == 0:
        first = [-low % stride for low, _ in padding]
        phase = x[(slice(None), *(slice(f, None, stride) for f in first))]
        lows = [(low + f) // stride for f, (low, _) in zip(first, padding, strict=True)]
        return _fitted(phase, kernel, dilation // stride, lows, out)
    if dilation == 1:
        shift = [-low % stride for low, _ in padding]
        lows = [(low + e) // stride for e, (low, _) in zip(shift, padding, strict=True)]
        wide = [
            (e, -(e + k) % stride) for e, k in zip(shift, kernel.shape, strict=False)
        ]
        taps = _phases_to_channels(
            jnp.pad(kernel, [*wide, (0, 0), (0, 0)])[None], stride
        )
        even = [(0, -n % stride) for n in x.shape[1:-1]]
        phases = _phases_to_channels(
            jnp.pad(x, [(0, 0), *even, (0, 0)])[..., None], stride
        )
        return _fitted(phases[..., 0], taps[0], 1, lows, out)
    every = stride_one(x, kernel, dilation=dilation, padding=padding)
    return every[(slice(None), *(slice(None, None, stride) for _ in out))]


def _output_shape(
    x: Array, kernel: Array, stride: int, dilation: int, padding: Padding
) -> tuple[int, ...]:
    """Spatial shape of the result."""
    return tuple(
        (n + low + high - dilation * (k - 1) - 1) // stride + 1
        for n, k, (low, high) in zip(
            x.shape[1:-1], kernel.shape[:-2], padding, strict=True
        )
    )


def _fitted(
    x: Array, kernel: Array, dilation: int, lows: list[int], out: tuple[int, ...]
) -> Array:
    """Stride-1 convolution padded so that its result has the shape `out`."""
    padding = tuple(
        (low, n + dilation * (k - 1) - size - low)
        for low, n, k, size in zip(
            lows, out, kernel.shape[:-2], x.shape[1:-1], strict=True
        )
    )
    return stride_one(x, kernel, dilation=dilation, padding=padding)


def _phases_to_channels(x: Array, stride: int) -> Array:
    """`(b, *(s·n), c, f)` to `(b, *n, s^d·c, f)`."""
    space = x.shape[1:-2]
    split = [size for n in space for size in (n // stride, stride)]
    x = x.reshape(x.shape[0], *split, *x.shape[-2:])
    ndim = len(space)
    order = [0, *range(1, 2 * ndim, 2), *range(2, 2 * ndim + 1, 2)]
    x = x.transpose(*order, 2 * ndim + 1, 2 * ndim + 2)
    return x.reshape(*x.shape[: ndim + 1], -1, x.shape[-1])


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
    out = _output_shape(x, kernel, stride, dilation, padding)
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
