"""Depthwise convolutions: shifted sums and dense blocks against XLA's grouped one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from unoptimised import quick

from autoreg_jax.ops import convolution


def _grouped(x, kernel, stride, dilation):
    """XLA's own, which `convolution` does not call."""
    width = dilation * (kernel.shape[0] - 1) // 2
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride,) * 2,
        [(width, width)] * 2,
        rhs_dilation=(dilation,) * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


@pytest.mark.parametrize(
    ("size", "stride", "dilation"),
    [
        (3, 1, 2),  # few taps: one sum
        (7, 2, 1),  # many: one for each line of the kernel
    ],
)
def test_values_and_derivatives_equal_xla(size, stride, dilation):
    """With 19 channels the last block of the derivatives has three."""
    rng = np.random.default_rng(0)
    shapes = (2, 9, 8, 19), (size, size, 1, 19)

    def numbers(convolve):
        def loss(x, kernel):
            return jnp.sum(jnp.sin(convolve(x, kernel)))

        @quick
        def all_of_it(x, kernel, *tangents):
            gradients = jax.grad(loss, (0, 1))
            return convolve(x, kernel), jax.jvp(gradients, (x, kernel), tangents)

        return all_of_it

    with jax.enable_x64(True):
        given = [jnp.asarray(rng.normal(size=shape)) for shape in 2 * shapes]
        settings = {"stride": stride, "dilation": dilation}
        found = numbers(lambda x, k: convolution(x, k, groups=19, **settings))(*given)
        wanted = numbers(lambda x, k: _grouped(x, k, stride, dilation))(*given)
    for one, other in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11 * np.abs(other).max())
