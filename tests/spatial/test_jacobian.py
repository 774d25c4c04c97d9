"""Determinants that are known."""

import jax
import numpy as np
import pytest

from autoreg_jax import spatial

jacobian_determinant = jax.jit(spatial.jacobian_determinant)


@pytest.mark.parametrize("space", [(6,), (5, 4), (3, 4, 2)])
def test_linear_map(space):
    dimensions = len(space)
    matrix = 0.3 * np.random.default_rng(0).normal(size=(dimensions, dimensions))
    grid = np.stack(np.indices(space), -1)
    u = (grid @ matrix.T).astype(np.float32)[None]
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
    u = np.random.default_rng(2).normal(size=(1, 1, 4, 2)).astype(np.float32)
    expected = 1 + np.gradient(u[0, 0, :, 1])
    np.testing.assert_allclose(jacobian_determinant(u)[0, 0], expected, rtol=1e-5)
