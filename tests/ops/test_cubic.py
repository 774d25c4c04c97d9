"""Cubic sampling against SciPy's Hermite splines, its smoothness and its borders."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline

from autoreg_jax import ops

sample_cubic = jax.jit(ops.sample_cubic, static_argnames="boundary")


def along(values, places, boundary):
    """One axis as a Hermite spline whose slopes are central differences."""
    pad = {"zeros": "constant", "edge": "edge"}[boundary]
    values = np.pad(values, 6, mode=pad)
    x = np.arange(len(values)) - 6.0
    slopes = np.pad((values[2:] - values[:-2]) / 2, 1)
    return CubicHermiteSpline(x, values, slopes)(places)


@pytest.mark.parametrize("boundary", ["zeros", "edge"])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_one_axis_is_a_hermite_spline(size, boundary):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(2, size, 3)).astype(np.float32)
    points = rng.uniform(-2.5, size + 1.5, size=(2, 11, 1)).astype(np.float32)
    found = np.asarray(sample_cubic(image, points, boundary=boundary))
    for b in range(2):
        for c in range(3):
            wanted = along(image[b, :, c].astype(float), points[b, :, 0], boundary)
            np.testing.assert_allclose(found[b, :, c], wanted, atol=1e-5)


@pytest.mark.parametrize("space", [(6, 7), (5, 6, 7)])
def test_quadratic_images_are_met_exactly(space):
    grid = np.stack(np.meshgrid(*map(np.arange, space), indexing="ij"), -1)
    weights = np.arange(1.0, len(space) + 1)

    def image_at(x):
        return (x @ weights) ** 2 - 3 * x[..., 0] + x[..., 0] * x[..., 1]

    image = image_at(grid).astype(np.float32)[None, ..., None]
    points = np.random.default_rng(0).uniform(
        1, np.array(space) - 2, (1, 9, len(space))
    )
    found = np.asarray(sample_cubic(image, points.astype(np.float32)))
    np.testing.assert_allclose(found[..., 0], image_at(points), rtol=1e-5)


def test_the_derivative_has_no_jump_at_a_voxel():
    with jax.enable_x64(True):
        image = np.random.default_rng(0).normal(size=(1, 6, 1))
        value = lambda p: sample_cubic(image, p[None, None, None])[0, 0, 0]  # noqa: E731
        slope = jax.jit(jax.vmap(jax.grad(value)))
        voxels = np.arange(1.0, 5.0)
        below, above = slope(voxels - 1e-9), slope(voxels + 1e-9)
        np.testing.assert_allclose(below, above, atol=1e-7)
        centred = (image[0, 2:, 0] - image[0, :-2, 0]) / 2
        np.testing.assert_allclose(slope(voxels), centred, atol=1e-12)


def test_second_derivatives():
    with jax.enable_x64(True):
        rng = np.random.default_rng(1)
        place = rng.normal(size=(1, 4, 5, 2)), rng.uniform(-1, 5, size=(1, 6, 2))
        direction = np.cos(place[0]), np.cos(place[1])
        gradient = jax.grad(
            lambda i, p: jnp.sum(jnp.sin(sample_cubic(i, p))), argnums=(0, 1)
        )

        @jax.jit
        def moved(step):
            there = [x + step * v for x, v in zip(place, direction, strict=True)]
            return jax.jvp(gradient, there, list(direction))

        (*ends, (_, product)) = jax.device_get([moved(t) for t in (1e-6, -1e-6, 0.0)])
        ends = [slopes for slopes, _ in ends]
        for part, plus, minus in zip(product, *ends, strict=True):
            np.testing.assert_allclose(part, (plus - minus) / 2e-6, atol=1e-6)


def test_far_away_and_not_a_number():
    image = np.float32([[[2.0], [3.0], [5.0]]])
    points = np.float32([[[1e30], [-1e30], [np.nan]]])
    found = np.asarray(sample_cubic(image, points))
    np.testing.assert_array_equal(found[0, :, 0], [0, 0, 0])
    edge = np.asarray(sample_cubic(image, points, boundary="edge"))
    np.testing.assert_array_equal(edge[0, :, 0], [5, 2, 0])
    slopes = jax.jit(jax.grad(lambda p: sample_cubic(image, p).sum()))(points)
    assert np.isfinite(slopes).all()


def test_bad_arguments():
    with pytest.raises(ValueError, match="boundary"):
        sample_cubic(jnp.ones((1, 3, 1)), jnp.ones((1, 2, 1)), boundary="mirror")
