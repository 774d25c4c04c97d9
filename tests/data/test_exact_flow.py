"""The exponential of a velocity against closed forms and an ODE solver."""

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.interpolate import RegularGridInterpolator
from scipy.linalg import expm

from autoreg_jax import spatial
from autoreg_jax.data.simulation._contrast import smooth_noise
from autoreg_jax.data.simulation._flow import compose, exponential

jacobian_determinant = jax.jit(spatial.jacobian_determinant)


def smooth_velocity(shape, size=1.5, seed=0):
    """Smooth, zero at the border."""
    rng = np.random.default_rng(seed)
    field = np.stack([smooth_noise(shape, 4, rng) for _ in shape], -1)
    for axis, count in enumerate(shape):
        fade = np.sin(np.pi * np.arange(count) / (count - 1)) ** 2
        field *= fade.reshape(-1, *(1,) * (len(shape) - axis))
    return size * field


def interior(array, margin):
    return array[(slice(margin, -margin),) * 2]


def test_a_constant_velocity_is_a_translation():
    velocity = np.broadcast_to([1.25, -2.5], (16, 16, 2))
    np.testing.assert_allclose(exponential(velocity), velocity, atol=1e-12)


@pytest.mark.parametrize(
    "generator",
    [
        np.array([[0.2, 0.0], [0.0, -0.1]]),
        np.array([[0.0, -0.3], [0.3, 0.0]]),
        np.array([[0.1, 0.2], [-0.1, 0.05]]),
    ],
)
def test_a_linear_velocity_is_a_matrix_exponential(generator):
    points = np.moveaxis(np.indices((21, 21)), 0, -1) - 10.0
    expected = points @ expm(generator).T - points
    found = exponential(points @ generator.T)
    np.testing.assert_allclose(interior(found, 6), interior(expected, 6), atol=0.02)
    determinant = interior(jacobian_determinant(found[None])[0], 6)
    np.testing.assert_allclose(determinant, np.exp(np.trace(generator)), rtol=0.01)


def test_against_an_ode_solver():
    velocity = smooth_velocity((24, 28))
    axes = [np.arange(size, dtype=float) for size in velocity.shape[:2]]
    field = RegularGridInterpolator(
        axes, velocity, method="cubic", bounds_error=False, fill_value=0
    )
    displacement = exponential(velocity)
    for start in [(8, 9), (12, 14), (15, 20), (17, 7)]:
        path = solve_ivp(lambda t, x: field(x)[0], (0, 1), start, rtol=1e-6)
        np.testing.assert_allclose(
            displacement[start], path.y[:, -1] - start, atol=0.04
        )


@pytest.mark.parametrize("shape", [(32, 32), (20, 20, 20)])
def test_the_negative_velocity_is_the_inverse(shape):
    velocity = smooth_velocity(shape, 2.5)
    forward, backward = exponential(velocity), exponential(-velocity)
    assert np.abs(forward).max() > 2
    returned = np.linalg.norm(compose(forward, backward), axis=-1)
    assert returned.max() < 0.1 * np.abs(forward).max()
    assert jacobian_determinant(forward[None]).min() > 0


def test_compose_adds_translations_and_follows_the_points():
    one = np.broadcast_to([0.0, 1.0], (8, 8, 2))
    slope = np.zeros((8, 8, 2))
    slope[..., 0] = 0.5 * np.arange(8)
    composed = compose(slope, one)
    np.testing.assert_allclose(composed[..., 1], 1.0)
    np.testing.assert_allclose(composed[3, :7, 0], 0.5 * np.arange(1, 8))
