"""Agreement with the values of the published PyTorch code."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.spatial import (
    image_pyramid,
    integrate,
    resize_displacement,
    resize_image,
    warp,
)

FILE = Path(__file__).parents[3] / "shared" / "reference" / "autoreg_reference.npz"
pytestmark = pytest.mark.skipif(
    not FILE.exists(), reason="the reference values are not beside this checkout"
)


@pytest.fixture(scope="module")
def reference():
    with np.load(FILE) as arrays:
        return dict(arrays)


def image(array):
    return jnp.asarray(array)[None, ..., None]


def field(array):
    return jnp.moveaxis(jnp.asarray(array), 0, -1)[None]


def test_warp(reference):
    moved = warp(image(reference["moving"]), field(reference["displacement"]))
    expected = image(reference["moving_warped_by_displacement"])
    np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-5)


def test_integrate(reference):
    out = integrate(field(reference["velocity"]), num_steps=7)
    expected = field(reference["displacement_from_velocity_7_steps"])
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(("name", "factor"), [("up", 2.0), ("down", 0.5)])
def test_resize_displacement(reference, name, factor):
    u = field(reference["displacement"])
    expected = field(reference[f"displacement_{name}sampled_x2"])
    shape = expected.shape[1:-1]
    np.testing.assert_allclose(
        factor * resize_image(u, shape), expected, rtol=1e-4, atol=1e-5
    )
    # The reference scales vectors by the nominal factor, we by the exact one.
    exact = (np.array(shape) - 1) / (np.array(u.shape[1:-1]) - 1)
    np.testing.assert_allclose(
        resize_displacement(u, shape),
        np.asarray(expected) / factor * exact,
        rtol=1e-4,
        atol=1e-5,
    )


def test_image_pyramid(reference):
    pyramid = image_pyramid(image(reference["moving"]))
    # The reference multiplies intensities by the zoom, too.
    half, quarter = (
        image(reference[f"image_resized_{s}"]) for s in ("half", "quarter")
    )
    np.testing.assert_allclose(pyramid.half, 2 * half, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(pyramid.quarter, 4 * quarter, rtol=1e-4, atol=1e-6)
