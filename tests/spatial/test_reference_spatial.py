"""Agreement with the values of the published PyTorch code."""

import jax
import numpy as np
import pytest

from autoreg_jax import spatial

warp, image_pyramid = jax.jit(spatial.warp), jax.jit(spatial.image_pyramid)
integrate = jax.jit(spatial.integrate, static_argnames="num_steps")
resize_image = jax.jit(spatial.resize_image, static_argnums=1)
resize_displacement = jax.jit(spatial.resize_displacement, static_argnums=1)


def image(array):
    return array[None, ..., None]


def field(array):
    return np.moveaxis(array, 0, -1)[None]


def whole_field(reference, name):
    """A field of which one corner is kept, zero elsewhere."""
    corner = reference[name]
    whole = np.zeros((3, *reference["moving"].shape), np.float32)
    whole[:, : corner.shape[1], : corner.shape[2], : corner.shape[3]] = corner
    return field(whole)


def kept(array, expected, step=1):
    """The voxels of the corner whose expected values are kept."""
    ends = [step * n for n in expected.shape[1:-1]]
    return np.asarray(array)[:, : ends[0] : step, : ends[1] : step, : ends[2] : step]


def test_warp(reference):
    displacement = whole_field(reference, "displacement")
    moved = warp(image(reference["moving"]), displacement)
    expected = image(reference["moving_warped_by_displacement"])
    np.testing.assert_allclose(kept(moved, expected), expected, rtol=1e-4, atol=1e-5)


def test_integrate(reference):
    out = integrate(whole_field(reference, "velocity"), num_steps=7)
    expected = field(reference["displacement_from_velocity_7_steps"])
    np.testing.assert_allclose(kept(out, expected), expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(("name", "factor", "step"), [("up", 2, 3), ("down", 0.5, 1)])
def test_resize_displacement(reference, name, factor, step):
    u = whole_field(reference, "displacement")
    expected = field(reference[f"displacement_{name}sampled_x2"])
    shape = tuple(int(factor * n) for n in u.shape[1:-1])
    np.testing.assert_allclose(
        factor * kept(resize_image(u, shape), expected, step),
        expected,
        rtol=1e-4,
        atol=1e-5,
    )
    # The reference scales vectors by the nominal factor, we by the exact one.
    exact = (np.array(shape) - 1) / (np.array(u.shape[1:-1]) - 1)
    np.testing.assert_allclose(
        kept(resize_displacement(u, shape), expected, step),
        expected / factor * exact,
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
