"""The discrete start finds whole-voxel motions and is its own opposite."""

import jax.numpy as jnp
import numpy as np

from autoreg_jax.inference.optimisation._discrete import discrete_velocity


def features(seed=0):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=(1, 14, 13, 3)), jnp.float32)


def test_a_shift_is_found():
    image = features()
    moved = jnp.roll(image, (2, -1), (1, 2))
    found = np.asarray(discrete_velocity(image, moved))[0, 4:-4, 4:-4]
    np.testing.assert_allclose(found.mean((0, 1)), [2, -1], atol=0.01)


def test_equal_features_rest_and_directions_are_opposite():
    first, second = features(), features(1)
    np.testing.assert_array_equal(discrete_velocity(first, first), 0)
    there, back = discrete_velocity(first, second), discrete_velocity(second, first)
    assert float(jnp.abs(there).max()) > 0.1
    np.testing.assert_allclose(there, -back, atol=1e-6)


def test_what_does_not_count_follows_its_neighbours():
    image = features()
    moved = jnp.roll(image, (2, 0), (1, 2))
    spoiled = moved.at[:, 6:10, 4:9].set(5.0)
    weight = jnp.ones((1, 14, 13, 1)).at[:, 3:9, 3:10].set(0)
    with_it = discrete_velocity(image, spoiled, weight)[0, 4:8, 4:9]
    without = discrete_velocity(image, spoiled)[0, 4:8, 4:9]
    truth = jnp.array([[[2.0, 0]]])
    assert float(jnp.abs(with_it - truth).mean()) < float(
        jnp.abs(without - truth).mean()
    )
