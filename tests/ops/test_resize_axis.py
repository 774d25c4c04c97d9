"""`resize_axis` against `numpy.interp`, and its transpose against the map itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.ops import resize_axis

SIZES = [(5, 9), (6, 12), (12, 6), (7, 3), (1, 4), (4, 1), (2, 11)]


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_values_and_transpose(old, new):
    rng = np.random.default_rng(old * new)
    x, w = (rng.normal(size=(2, size, 3)).astype(np.float32) for size in (old, new))
    out, pulled = jax.jit(
        lambda x, w: (resize_axis(x, 1, new), jax.vjp(_resized(new), x)[1](w)[0])
    )(x, w)
    places = np.linspace(0, old - 1, new) if new > 1 else np.zeros(1)
    expected = np.interp(places, np.arange(old), x[1, :, 2])
    np.testing.assert_allclose(out[1, :, 2], expected, atol=1e-5)
    matrix = np.stack([np.interp(places, np.arange(old), e) for e in np.eye(old)])
    np.testing.assert_allclose(
        pulled, np.einsum("on,bnc->boc", matrix, w), atol=1e-5, rtol=1e-5
    )


def _resized(new):
    return lambda x: resize_axis(x, 1, new)


def test_second_derivatives_and_vmap():
    x = np.random.default_rng(0).normal(size=(3, 2, 5, 1)).astype(np.float32)
    gradient = jax.grad(lambda x: jnp.sum(resize_axis(x, 1, 8) ** 2))
    slope, product, single = jax.jit(
        lambda x: (*jax.jvp(jax.vmap(gradient), (x,), (x,)), gradient(x[2]))
    )(x)
    np.testing.assert_allclose(product, slope, rtol=1e-5)
    np.testing.assert_allclose(slope[2], single, rtol=1e-5)


def test_pullbacks_do_not_scatter():
    x = jnp.ones((1, 6, 5, 1))
    gradient = jax.grad(lambda x: jnp.sum(resize_axis(x, 1, 11) ** 2))
    text = jax.jit(gradient).lower(x).as_text()
    assert "scatter" not in text
    assert "gather" in text
