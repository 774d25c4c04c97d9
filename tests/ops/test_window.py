"""`window_sum` against a loop over voxels, its accuracy and its derivatives."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax import ops

window_sum = jax.jit(ops.window_sum, static_argnums=1)


def loop(x, size):
    """The definition, voxel by voxel, in float64."""
    x = np.asarray(x, np.float64)
    space, radius = x.shape[1:-1], size // 2
    out = np.zeros_like(x)
    for place in itertools.product(*map(range, space)):
        window = tuple(slice(max(i - radius, 0), i + radius + 1) for i in place)
        axes = tuple(range(1, x.ndim - 1))
        out[(slice(None), *place)] = x[(slice(None), *window)].sum(axis=axes)
    return out


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("space", [(11,), (5, 6), (4, 1, 7)])
def test_equals_the_loop(space, size):
    x = np.random.default_rng(0).normal(size=(2, *space, 2)).astype(np.float32)
    np.testing.assert_allclose(window_sum(x, size), loop(x, size), atol=2e-5)


def test_error_does_not_grow_along_the_axis():
    rng = np.random.default_rng(1)
    x = (1000 + rng.uniform(size=(1, 500, 1))).astype(np.float32)
    x[:, 300:] = 0
    out = np.asarray(window_sum(x, 9))
    np.testing.assert_allclose(out, loop(x, 9), rtol=3e-7)
    assert np.all(out[:, 304:] == 0)


def test_is_its_own_transpose():
    rng = np.random.default_rng(2)
    x, w = rng.normal(size=(2, 1, 6, 5, 1)).astype(np.float32)
    (pulled,) = jax.jit(lambda x, w: jax.vjp(lambda x: window_sum(x, 5), x)[1](w))(x, w)
    np.testing.assert_allclose(pulled, window_sum(w, 5), atol=1e-5)


def test_forward_over_reverse():
    x = np.random.default_rng(3).normal(size=(1, 5, 4, 1)).astype(np.float32)
    gradient = jax.grad(lambda x: jnp.sum(window_sum(x, 3) ** 2))
    slope, product = jax.jit(lambda x: jax.jvp(gradient, (x,), (x,)))(x)
    np.testing.assert_allclose(product, slope, rtol=1e-5, atol=1e-4)


def test_vmap_is_the_batch():
    x = np.random.default_rng(4).normal(size=(3, 5, 4, 2)).astype(np.float32)
    one = jax.jit(jax.vmap(lambda image: window_sum(image[None], 3)[0]))(x)
    np.testing.assert_allclose(one, window_sum(x, 3), atol=1e-6)


@pytest.mark.parametrize("size", [0, -1, 4])
def test_window_must_be_odd(size):
    with pytest.raises(ValueError, match="odd"):
        window_sum(jnp.ones((1, 4, 1)), size)
