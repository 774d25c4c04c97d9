"""`ops.convolution` against sums over taps in NumPy, in double precision."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax.ops import convolution

# Taps, stride and dilation of the candidates, and a large strided one.
KINDS = ((1, 1, 1), (3, 1, 1), (3, 2, 1), (3, 1, 2), (3, 2, 2), (5, 2, 1))


def places(shape, taps, stride, dilation):
    """Each tap, and the slices of the padded image that it reads."""
    reach = dilation * (taps - 1)
    out = [(n + 2 * (reach // 2) - reach - 1) // stride + 1 for n in shape]
    for tap in itertools.product(range(taps), repeat=len(shape)):
        yield (
            tap,
            (
                slice(None),
                *(
                    slice(dilation * t, dilation * t + stride * (n - 1) + 1, stride)
                    for t, n in zip(tap, out, strict=True)
                ),
            ),
        )


def padded(x, taps, dilation):
    width = dilation * (taps - 1) // 2
    return np.pad(x, [(0, 0), *[(width, width)] * (x.ndim - 2), (0, 0)])


def reference(x, kernel, cotangent, stride, dilation):
    """Value, and the gradients of its product with `cotangent`."""
    taps, shape = kernel.shape[0], x.shape[1:-1]
    wide = padded(x, taps, dilation)
    axes = tuple(range(x.ndim - 1))
    value, to_kernel, to_wide = 0.0, np.zeros_like(kernel), np.zeros_like(wide)
    for tap, window in places(shape, taps, stride, dilation):
        value = value + wide[window] @ kernel[tap]
        if cotangent is not None:
            to_kernel[tap] = np.tensordot(wide[window], cotangent, (axes, axes))
            to_wide[window] += cotangent @ kernel[tap].T
    width = dilation * (taps - 1) // 2
    inside = (slice(None), *(slice(width, width + n) for n in shape))
    return value, to_wide[inside], to_kernel


@partial(quick, static_argnames=("stride", "dilation"))
def ours(x, kernel, direction, cotangent, *, stride, dilation):
    """Value, both gradients, and a mixed second derivative."""

    def loss(x, kernel):
        y = convolution(x, kernel, stride=stride, dilation=dilation)
        return jnp.vdot(cotangent, y), y

    def gradients(kernel):
        return jax.grad(loss, (0, 1), has_aux=True)(x, kernel)[0]

    found, mixed = jax.jvp(gradients, (kernel,), (direction,))
    return loss(x, kernel)[1], *found, mixed[0]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("shape", [(5, 6, 7), (1, 4, 3), (6, 5), (1, 7)])
def test_value_gradient_and_second_derivative(shape):
    rng = np.random.default_rng(0)
    for taps, stride, dilation in KINDS:
        x = rng.normal(size=(2, *shape, 3))
        kernel, direction = rng.normal(size=(2, *(taps,) * len(shape), 3, 2))
        value = reference(x, kernel, None, stride, dilation)[0]
        cotangent = rng.normal(size=value.shape)
        wanted = reference(x, kernel, cotangent, stride, dilation)
        # The gradient in the image is linear in the kernel.
        mixed = reference(x, direction, cotangent, stride, dilation)[1]
        found = ours(x, kernel, direction, cotangent, stride=stride, dilation=dilation)
        for one, other in zip(found, (*wanted, mixed), strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-11)
