"""A repeated border against NumPy's."""

import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.ops import repeat_border


@pytest.mark.parametrize("widths", [(2, 0), (1, 3)])
def test_equals_numpy(widths):
    x = np.random.default_rng(0).normal(size=(2, 3, 1, 2))
    around = [(0, 0), *((width, width) for width in widths), (0, 0)]
    found = repeat_border(jnp.asarray(x, jnp.float32), widths)
    np.testing.assert_array_equal(found, np.pad(x.astype(np.float32), around, "edge"))
