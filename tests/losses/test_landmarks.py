"""Distance of landmarks under fields that are known everywhere."""

import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.losses import landmark_loss
from autoreg_jax.spatial import identity_grid


@pytest.mark.parametrize("shape", [(8, 7), (6, 7, 5)])
def test_an_affine_field_moves_points_as_its_matrix_says(shape):
    rng = np.random.default_rng(0)
    dimensions = len(shape)
    matrix = 0.1 * rng.normal(size=(dimensions, dimensions))
    shift = rng.normal(size=dimensions)
    grid = np.asarray(identity_grid(shape))
    displacement = jnp.asarray((grid @ matrix.T + shift)[None], jnp.float32)
    fixed = rng.uniform(0, np.asarray(shape) - 1, (1, 9, dimensions))
    moving = rng.uniform(0, np.asarray(shape) - 1, (1, 9, dimensions))
    moved = fixed + fixed @ matrix.T + shift
    wanted = np.mean(np.linalg.norm(moved - moving, axis=-1))
    points = jnp.asarray(fixed, jnp.float32), jnp.asarray(moving, jnp.float32)
    found = landmark_loss(*points, displacement)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
