"""Distance of landmarks under fields that are known everywhere."""

import jax
import numpy as np
import pytest

from autoreg_jax.losses import Objective, landmark_loss
from autoreg_jax.spatial import Pyramid


@pytest.mark.parametrize("shape", [(8, 7), (6, 7, 5)])
def test_an_affine_field_moves_points_as_its_matrix_says(shape):
    rng = np.random.default_rng(0)
    dimensions = len(shape)
    matrix = 0.1 * rng.normal(size=(dimensions, dimensions))
    shift = rng.normal(size=dimensions)
    grid = np.stack(np.indices(shape), -1)
    displacement = (grid @ matrix.T + shift)[None].astype(np.float32)
    fixed = rng.uniform(0, np.asarray(shape) - 1, (1, 9, dimensions))
    moving = rng.uniform(0, np.asarray(shape) - 1, (1, 9, dimensions))
    moved = fixed + fixed @ matrix.T + shift
    wanted = np.mean(np.linalg.norm(moved - moving, axis=-1))
    points = fixed.astype(np.float32), moving.astype(np.float32)
    found = jax.jit(landmark_loss)(*points, displacement)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    # Another image of the batch has more of them.
    few, many = (np.concatenate([p, np.full_like(p, np.nan)], 1) for p in points)
    loss = jax.jit(jax.value_and_grad(landmark_loss, argnums=2))
    same, gradient = loss(few, many, displacement)
    np.testing.assert_allclose(same, found, rtol=1e-6)
    assert np.isfinite(gradient).all()
    assert np.any(gradient)


def test_a_pair_without_landmarks_asks_for_nothing():
    image, field = np.ones((1, 6, 6, 1), "f"), np.ones((1, 6, 6, 2), "f")
    none = np.full((1, 3, 2), np.nan, np.float32)

    @jax.jit
    @jax.value_and_grad
    def loss(field):
        levels = Pyramid(field, field, field)
        lam = {"landmarks": 5.0}
        return Objective()(image, image, levels, lam, landmarks=(none, none))[0]

    value, gradient = loss(field)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)
