"""Normalised intensities are in [0, 1] whatever the scanner wrote."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoreg_jax.config import Intensity
from autoreg_jax.data import normalize_intensity


@given(scale=st.floats(1e-3, 1e6), offset=st.floats(-1e6, 1e6), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=25, derandomize=True)
def test_it_does_not_see_gain_and_offset(scale, offset, seed):
    values = np.random.default_rng(seed).integers(0, 256, (6, 7, 8)).astype(float)
    expected = normalize_intensity(values)
    found = normalize_intensity(values * scale + offset * scale)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_one_bright_voxel_does_not_darken_the_rest():
    values = np.random.default_rng(0).uniform(0, 1, (20, 20, 20))
    spoiled = values.copy()
    spoiled[3, 4, 5] = 1e6
    change = np.abs(normalize_intensity(spoiled) - normalize_intensity(values))
    change[3, 4, 5] = 0
    assert change.max() < 0.01


def test_a_large_empty_background_does_not_decide_where_white_is():
    values = np.zeros((20, 20, 20))
    values[:3, :3, :3] = np.linspace(1, 9, 27).reshape(3, 3, 3)
    np.testing.assert_allclose(normalize_intensity(values), values / 9, atol=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((3, 3)),
        np.full((3, 3), -4.0),
        np.full((3, 3), np.nan),
        np.array([[np.nan, 1.0], [np.inf, 5.0]]),
        np.array([[-3e38, 3e38]], np.float32),
        np.array([[0, 2**40]]),
    ],
)
def test_always_finite_and_within_the_interval(values):
    found = normalize_intensity(values)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_monotone():
    values = np.sort(np.random.default_rng(0).normal(size=500))
    assert (np.diff(normalize_intensity(values)) >= 0).all()


def test_the_limits_are_numpys_percentiles_of_a_large_image():
    """In single precision a position among 300,000 voxels would be rounded."""
    values = np.random.default_rng(0).normal(size=(50, 60, 100)).astype(np.float32)
    exact = values.astype(np.float64)
    low = np.percentile(exact, 5, method="lower")
    high = np.percentile(exact[exact > low], 99, method="higher")
    found = normalize_intensity(values, Intensity("percentile", 5, 99))
    wanted = np.clip((exact - low) / (high - low), 0, 1).astype(np.float32)
    np.testing.assert_array_equal(found, wanted)
