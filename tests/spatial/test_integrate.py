"""Flows and inverses whose result is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.spatial import compose, identity_grid, integrate, invert


def swirl(space, size=1.0):
    """A smooth velocity that vanishes on the border."""
    grid = identity_grid(space)[None]
    bell = 1.0
    for axis, n in enumerate(space):
        bell = bell * jnp.sin(jnp.pi * grid[..., axis] / (n - 1)) ** 2
    return size * bell[..., None] * jnp.cos(grid / 4)


@pytest.mark.parametrize("space", [(4, 5), (3, 1, 4)])
def test_constant_velocity_is_a_translation(space):
    velocity = jnp.full((1, *space, len(space)), 0.75)
    out = integrate(velocity, boundary="edge")
    np.testing.assert_allclose(out, velocity, rtol=1e-6)


def test_linear_velocity_is_an_exponential():
    # v(x) = a (x - c) flows to φ(x) = c + e^a (x - c).
    rate, centre = -0.3, 10.0
    x = jnp.arange(21.0).reshape(1, 21, 1) - centre
    with jax.enable_x64(True):
        velocity = rate * jnp.asarray(x, jnp.float64)
        out = integrate(velocity, num_steps=12)
        np.testing.assert_allclose(out, np.expm1(rate) * x, atol=1e-4)


def test_backward_flow_undoes_forward_flow():
    velocity = swirl((16, 14), 2.0)
    forward, backward = integrate(velocity), integrate(-velocity)
    assert float(jnp.abs(forward).max()) > 1
    assert float(jnp.abs(compose(forward, backward)).max()) < 0.05


def test_invert_undoes_a_displacement():
    displacement = swirl((12, 10, 8), 0.8)
    inverse = invert(displacement)
    assert float(jnp.abs(displacement).max()) > 0.5
    np.testing.assert_allclose(compose(displacement, inverse), 0 * inverse, atol=1e-5)


def test_no_steps_is_the_velocity():
    velocity = swirl((5, 5))
    np.testing.assert_array_equal(integrate(velocity, 0), velocity)


def test_first_and_second_derivatives():
    with jax.enable_x64(True):
        # Random, so that no point of the path is a voxel centre, where there is a kink.
        velocity = jnp.asarray(np.random.default_rng(0).normal(size=(1, 5, 4, 2)))
        direction = jnp.cos(3 * velocity)

        @jax.jit
        def loss(velocity):
            return jnp.sum(jnp.sin(integrate(velocity, num_steps=3)))

        gradient = jax.jit(jax.grad(loss))
        ahead, behind = velocity + 1e-6 * direction, velocity - 1e-6 * direction
        slope = (loss(ahead) - loss(behind)) / 2e-6
        np.testing.assert_allclose(
            jnp.vdot(gradient(velocity), direction), slope, rtol=1e-6
        )
        _, product = jax.jvp(gradient, (velocity,), (direction,))
        difference = (gradient(ahead) - gradient(behind)) / 2e-6
        np.testing.assert_allclose(product, difference, atol=1e-6)


def test_negative_number_of_steps():
    with pytest.raises(ValueError, match="num_steps"):
        integrate(swirl((4, 4)), -1)
