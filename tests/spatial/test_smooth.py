"""Smoothing and downsampling keep constants, moments and linear ramps."""

import jax
import numpy as np
import pytest

from autoreg_jax import spatial
from autoreg_jax.spatial import coarser_shape

downsample = jax.jit(spatial.downsample, static_argnums=1)
gaussian_smooth = jax.jit(
    spatial.gaussian_smooth, static_argnums=1, static_argnames="axes"
)


def test_smoothing_keeps_constants_and_moments():
    x = np.zeros((1, 21, 3, 1), np.float32)
    x[0, 10, 1] = 1
    smoothed = np.asarray(gaussian_smooth(x, 1.0, axes=(0,)))[0, :, 1, 0]
    place = np.arange(21) - 10
    assert smoothed.sum() == pytest.approx(1, rel=1e-5)
    assert (smoothed * place**2).sum() == pytest.approx(1, rel=0.05)
    flat = np.ones((1, 4, 5, 2), np.float32)
    np.testing.assert_allclose(gaussian_smooth(flat, 2.0), 1, 1e-5)


def test_short_axes_are_not_shrunk():
    shape = coarser_shape((48, 20, 1))
    assert shape == (24, 20, 1)
    ramp = np.zeros((1, 48, 20, 1, 1), np.float32)
    ramp[0] = np.arange(48).reshape(48, 1, 1, 1)
    small = downsample(ramp, shape)
    assert small.shape == (1, 24, 20, 1, 1)
    inner = np.arange(3, 21) * 47 / 23
    np.testing.assert_allclose(small[0, 3:21, 7, 0, 0], inner, rtol=1e-4)
