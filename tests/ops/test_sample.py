"""Sampling against SciPy, its derivatives and its borders."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from autoreg_jax import ops

# Compiled: one by one, the many small operations of a sample take seconds.
sample_linear = jax.jit(ops.sample_linear, static_argnames="boundary")
sample_nearest = jax.jit(ops.sample_nearest)

SCIPY_MODE = {"zeros": "grid-constant", "edge": "nearest"}


def problem(space, channels=2, dtype=np.float32):
    """An image and points inside, on and beyond its border."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(2, *space, channels))
    low, high = -2.5, np.asarray(space) + 1.5
    points = rng.uniform(low, high, size=(2, 9, 5, len(space)))
    return image.astype(dtype), points.astype(dtype)


def scipy_sample(image, points, order, mode):
    image, points = image.astype(np.float64), points.astype(np.float64)
    out = np.zeros((*points.shape[:-1], image.shape[-1]))
    for b in range(image.shape[0]):
        for c in range(image.shape[-1]):
            place = np.moveaxis(points[b], -1, 0)
            out[b, ..., c] = map_coordinates(
                image[b, ..., c], place, order=order, mode=mode, cval=0.0
            )
    return out


@pytest.mark.parametrize("boundary", ["zeros", "edge"])
@pytest.mark.parametrize("space", [(5,), (6, 3), (4, 7, 5), (1, 5, 2)])
def test_linear_equals_scipy(space, boundary):
    image, points = problem(space)
    expected = scipy_sample(image, points, 1, SCIPY_MODE[boundary])
    out = sample_linear(image, points, boundary=boundary)
    np.testing.assert_allclose(out, expected, atol=1e-5)


@pytest.mark.parametrize("space", [(6, 3), (4, 1, 5)])
def test_nearest_equals_scipy(space):
    image, points = problem(space)
    expected = scipy_sample(image, points, 0, "grid-constant")
    np.testing.assert_allclose(sample_nearest(image, points), expected)


def test_nearest_keeps_labels_and_rounds_halves_up():
    labels = np.int32([[[3], [5]]])
    points = np.float32([[[-0.6], [-0.5], [0.5], [1.4], [1.5]]])
    out = sample_nearest(labels, points)
    assert out.dtype == np.int32
    np.testing.assert_array_equal(np.asarray(out)[0, :, 0], [0, 3, 5, 5, 0])


@pytest.mark.parametrize("boundary", ["zeros", "edge"])
def test_first_and_second_derivatives(boundary):
    with jax.enable_x64(True):
        image, points = problem((4, 3), dtype=np.float64)
        direction = np.cos(image), np.cos(points)

        def loss(image, points):
            return jnp.sum(jnp.sin(sample_linear(image, points, boundary=boundary)))

        gradient = jax.value_and_grad(loss, argnums=(0, 1))

        @jax.jit
        def derivatives(step):
            place = [
                x + step * v for x, v in zip((image, points), direction, strict=True)
            ]
            (value, slopes), (_, product) = jax.jvp(gradient, place, list(direction))
            return value, slopes, product

        (above, ahead, _), (below, behind, _), (_, middle, product) = (
            jax.device_get(derivatives(step)) for step in (1e-6, -1e-6, 0.0)
        )
        slope = (above - below) / 2e-6
        parts = map(np.vdot, middle, direction)
        np.testing.assert_allclose(sum(parts), slope, rtol=1e-6)
        for part, plus, minus in zip(product, ahead, behind, strict=True):
            np.testing.assert_allclose(part, (plus - minus) / 2e-6, atol=1e-7)


@pytest.mark.parametrize("boundary", ["zeros", "edge"])
def test_derivative_at_voxel_centres_is_the_slope(boundary):
    points = np.arange(4, dtype=np.float32).reshape(1, 4, 1)
    ramp = 3 * points
    slope = jax.jit(
        jax.grad(lambda p: sample_linear(ramp, p, boundary=boundary).sum())
    )(points)
    last = {"zeros": -9.0, "edge": 3.0}[boundary]
    np.testing.assert_allclose(np.asarray(slope)[0, :, 0], [3, 3, 3, last])


def test_image_gradient_sums_the_weights():
    points = np.float32([[[0.25], [0.25], [1.0], [7.0]]])
    image = np.zeros((1, 3, 1), np.float32)
    gradient = jax.jit(jax.grad(lambda x: sample_linear(x, points).sum()))(image)
    np.testing.assert_allclose(np.asarray(gradient)[0, :, 0], [1.5, 1.5, 0])


def test_vmap_is_the_batch():
    image, points = problem((4, 5))
    one = jax.jit(jax.vmap(lambda i, p: sample_linear(i[None], p[None])[0]))
    wanted = sample_linear(image, points)
    np.testing.assert_allclose(one(image, points), wanted, atol=1e-6)


def test_a_place_that_is_not_a_number_is_outside():
    points, image = np.float32([[[np.nan], [1.0]]]), np.ones((1, 3, 1), np.float32)
    for boundary in ("zeros", "edge"):
        out = sample_linear(image, points, boundary=boundary)
        np.testing.assert_array_equal(np.asarray(out)[0, :, 0], [0, 1])


def test_huge_coordinates_are_outside():
    points = np.float32([[[1e30], [-1e30]]])
    image = np.ones((1, 3, 1), np.float32)
    np.testing.assert_array_equal(sample_linear(image, points), np.zeros((1, 2, 1)))
    edge = sample_linear(image, points, boundary="edge")
    np.testing.assert_array_equal(edge, np.ones((1, 2, 1)))


def test_bad_arguments():
    image, points = problem((4, 5))
    with pytest.raises(ValueError, match="boundary"):
        sample_linear(image, points, boundary="mirror")
    with pytest.raises(ValueError, match="space axes"):
        sample_linear(image, points[..., :1])
    with pytest.raises(ValueError, match="batch"):
        sample_nearest(image, points[:1])
