"""Flows and inverses whose result is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax import spatial

compose, invert = jax.jit(spatial.compose), jax.jit(spatial.invert)
integrate = jax.jit(spatial.integrate, static_argnames=("num_steps", "boundary"))


def swirl(space, size=1.0):
    """A smooth velocity that vanishes on the border."""
    grid = np.stack(np.indices(space), -1)[None]
    bell = np.prod(np.sin(np.pi * grid / (np.array(space) - 1)) ** 2, -1)
    return (size * bell[..., None] * np.cos(grid / 4)).astype(np.float32)


@pytest.mark.parametrize("space", [(4, 5), (3, 1, 4)])
def test_constant_velocity_is_a_translation(space):
    velocity = np.full((1, *space, len(space)), 0.75, np.float32)
    out = integrate(velocity, boundary="edge")
    np.testing.assert_allclose(out, velocity, rtol=1e-6)


def test_linear_velocity_is_an_exponential():
    # v(x) = a (x - c) flows to φ(x) = c + e^a (x - c).
    rate, centre = -0.3, 10.0
    x = np.arange(21.0).reshape(1, 21, 1) - centre
    with jax.enable_x64(True):
        out = integrate(rate * x, num_steps=12)
        np.testing.assert_allclose(out, np.expm1(rate) * x, atol=1e-4)


def test_backward_flow_undoes_forward_flow():
    velocity = swirl((16, 14), 2.0)
    forward, backward = integrate(velocity), integrate(-velocity)
    assert np.abs(forward).max() > 1
    assert np.abs(compose(forward, backward)).max() < 0.05


def test_invert_undoes_a_displacement():
    displacement = swirl((12, 10, 8), 0.8)
    inverse = invert(displacement)
    assert np.abs(displacement).max() > 0.5
    np.testing.assert_allclose(compose(displacement, inverse), 0, atol=1e-5)


def test_no_steps_is_the_velocity():
    velocity = swirl((5, 5))
    np.testing.assert_array_equal(integrate(velocity, 0), velocity)


def test_first_and_second_derivatives():
    with jax.enable_x64(True):
        # Random, so that no point of the path is a voxel centre, where there is a kink.
        velocity = np.random.default_rng(0).normal(size=(1, 5, 4, 2))
        direction = np.cos(3 * velocity)

        def loss(velocity):
            return jnp.sum(jnp.sin(integrate(velocity, num_steps=3)))

        @jax.jit
        def derivatives(velocity):
            value, gradient = jax.value_and_grad(loss)(velocity)
            _, product = jax.jvp(jax.grad(loss), (velocity,), (direction,))
            return value, gradient, product

        (ahead, above, _), (behind, below, _), (_, gradient, product) = (
            derivatives(velocity + step * direction) for step in (1e-6, -1e-6, 0)
        )
        slope = (ahead - behind) / 2e-6
        np.testing.assert_allclose(np.vdot(gradient, direction), slope, rtol=1e-6)
        difference = (np.asarray(above) - below) / 2e-6
        np.testing.assert_allclose(product, difference, atol=1e-6)


def test_negative_number_of_steps():
    with pytest.raises(ValueError, match="num_steps"):
        integrate(swirl((4, 4)), -1)


def test_logarithm_undoes_the_exponential():
    velocity = swirl((16, 14), 2.0)
    displacement = integrate(velocity, boundary="edge")
    again = jax.jit(spatial.logarithm)(displacement)
    # Far better than the displacement itself, and the same map.
    assert np.abs(displacement - velocity).max() > 0.15
    assert np.abs(again - velocity).max() < 0.05
    error = integrate(again, boundary="edge") - displacement
    assert np.abs(error).max() < 0.03
    with pytest.raises(ValueError, match="at least 1"):
        spatial.logarithm(displacement, 0)
