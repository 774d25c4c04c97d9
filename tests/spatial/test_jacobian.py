"""Determinants that are known."""

import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.spatial import identity_grid, jacobian_determinant


@pytest.mark.parametrize("space", [(6,), (5, 4), (3, 4, 2)])
def test_linear_map(space):
    dimensions = len(space)
    matrix = 0.3 * np.random.default_rng(0).normal(size=(dimensions, dimensions))
    u = jnp.asarray(np.asarray(identity_grid(space)) @ matrix.T, jnp.float32)[None]
    expected = np.linalg.det(np.eye(dimensions) + matrix)
    np.testing.assert_allclose(
        jacobian_determinant(u), np.full((1, *space), expected), rtol=1e-4
    )


def test_equals_numpy_gradient():
    u = np.random.default_rng(1).normal(size=(1, 5, 4, 3, 3)).astype(np.float32)
    # jacobian[..., i, j] = d u_i / d x_j
    jacobian = np.stack(np.gradient(u[0], axis=(0, 1, 2)), axis=-1) + np.eye(3)
    np.testing.assert_allclose(
        jacobian_determinant(u)[0], np.linalg.det(jacobian), atol=1e-4
    )


def test_axis_of_one_voxel_does_not_stretch():
    u = jnp.asarray(np.random.default_rng(2).normal(size=(1, 1, 4, 2)), jnp.float32)
    expected = 1 + np.gradient(np.asarray(u)[0, 0, :, 1])
    np.testing.assert_allclose(jacobian_determinant(u)[0, 0], expected, rtol=1e-5)
