"""Depthwise convolution: values as shifted sums, derivatives by dense kernels.

The sum over all voxels that is the gradient of a tap is slow in XLA on a CPU, and there
are as many as taps. The same numbers are the diagonal of the kernel gradient of a dense
convolution, which is a matrix product, and stays the faster one with blocks of 16
channels although it computes 16 times as many.
"""

import math
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
from jax import Array, lax

from autoreg_jax.ops._dense import dense
from autoreg_jax.ops._form import Form

# Channels of one dense convolution.
_BLOCK = 16
# Taps that are summed in one loop; XLA makes slow code of larger ones on a CPU.
_FUSED = 27


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def depthwise(x: Array, kernel: Array, form: Form) -> Array:
    """Each channel of `(b, *space, c)` with its own kernel of `(*taps, 1, c)`."""
    wide = x.dtype if x.dtype.itemsize >= 4 else jnp.float32
    padded = jnp.pad(x, ((0, 0), *form.padding, (0, 0))).astype(wide)
    taps = kernel[..., 0, :].astype(wide)
    if math.prod(form.taps) <= _FUSED:
        return _shifted_sum(padded, taps, form).astype(x.dtype)
    # One loop for the taps of each plane, or line, of the kernel.
    length = form.stride * (form.out[0] - 1) + 1

    def of_plane(start: Array | int, taps: Array) -> Array:
        part = lax.dynamic_slice_in_dim(padded, start, length, 1)
        return _shifted_sum(part[:, :: form.stride], taps, form)

    def add(total: Array, plane: tuple[Array, Array]) -> tuple[Array, None]:
        return total + of_plane(*plane), None

    starts = form.dilation * jnp.arange(1, form.taps[0])
    total, _ = lax.scan(add, of_plane(0, taps[0]), (starts, taps[1:]))
    return total.astype(x.dtype)


@depthwise.defjvp
def _derivative(
    form: Form, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    """The derivative in any direction is that of dense convolutions."""
    _, tangent = jax.jvp(partial(_by_blocks, form=form), primals, tangents)
    return depthwise(*primals, form), tangent


def _shifted_sum(x: Array, taps: Array, form: Form) -> Array:
    """Σ_t x[stride·o + dilation·t] · taps[t] along the last axes, those of `taps`."""
    out = form.out[len(form.out) - (taps.ndim - 1) :]
    before = (slice(None),) * (x.ndim - 1 - len(out))
    terms = []
    for tap in product(*map(range, taps.shape[:-1])):
        window = tuple(
            slice(
                form.dilation * t,
                form.dilation * t + form.stride * (n - 1) + 1,
                form.stride,
            )
            for t, n in zip(tap, out, strict=True)
        )
        terms.append(x[(*before, *window)] * _last(taps[tap], x.ndim))
    return sum(terms[1:], terms[0])


def _by_blocks(x: Array, kernel: Array, *, form: Form) -> Array:
    """Dense convolutions of a few channels each, by kernels with a diagonal."""
    parts = []
    for start in range(0, x.shape[-1], _BLOCK):
        channels = slice(start, start + _BLOCK)
        own = kernel[..., channels]
        diagonal = own * _last(jnp.eye(own.shape[-1], dtype=own.dtype), own.ndim)
        parts.append(dense(x[..., channels], diagonal, form))
    return jnp.concatenate(parts, -1)


def _last(array: Array, ndim: int) -> Array:
    """An array as the last axes of one with `ndim` axes."""
    return array.reshape((1,) * (ndim - array.ndim) + array.shape)
