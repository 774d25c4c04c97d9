"""Smoothing and downsampling keep constants, moments and linear ramps."""

import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.spatial import coarser_shape, downsample, gaussian_smooth


def test_smoothing_keeps_constants_and_moments():
    x = np.zeros((1, 21, 3, 1), np.float32)
    x[0, 10, 1] = 1
    smoothed = np.asarray(gaussian_smooth(jnp.asarray(x), 1.0, axes=(0,)))[0, :, 1, 0]
    place = np.arange(21) - 10
    assert smoothed.sum() == pytest.approx(1, rel=1e-5)
    assert (smoothed * place**2).sum() == pytest.approx(1, rel=0.05)
    np.testing.assert_allclose(gaussian_smooth(jnp.ones((1, 4, 5, 2)), 2.0), 1, 1e-5)


def test_short_axes_are_not_shrunk():
    shape = coarser_shape((48, 20, 1))
    assert shape == (24, 20, 1)
    ramp = jnp.arange(48.0).reshape(1, 48, 1, 1, 1) * jnp.ones((1, 48, 20, 1, 1))
    small = downsample(ramp, shape)
    assert small.shape == (1, 24, 20, 1, 1)
    inner = np.arange(3, 21) * 47 / 23
    np.testing.assert_allclose(small[0, 3:21, 7, 0, 0], inner, rtol=1e-4)
