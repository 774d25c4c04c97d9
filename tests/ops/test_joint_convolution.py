"""Joint convolutions against one at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.ops import convolution, joint_convolution


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("shape", [(5, 6, 3), (7, 4)])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_equals_one_convolution_each(shape, stride, dilation):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *shape, 3))
    kernels = [
        rng.normal(size=(size,) * len(shape) + (3, features))
        for size, features in ((1, 2), (5, 1), (3, 4))
    ]
    settings = {"stride": stride, "dilation": dilation}

    @jax.jit
    def both(x, kernels):
        together = joint_convolution(x, kernels, **settings)
        return together, [convolution(x, kernel, **settings) for kernel in kernels]

    for out, wanted in zip(*both(x, kernels), strict=True):
        np.testing.assert_allclose(out, wanted, atol=1e-11)


def test_an_even_kernel_has_no_middle():
    with pytest.raises(ValueError, match="must be odd"):
        joint_convolution(jnp.ones((1, 4, 1)), [jnp.ones((2, 1, 1))])
