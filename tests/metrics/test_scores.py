"""Scores on cases that can be worked out by hand."""

import jax.numpy as jnp
import numpy as np

from autoreg_jax.metrics import (
    dice,
    displacement_error,
    folding_fraction,
    log_jacobian_std,
)
from autoreg_jax.spatial import identity_grid


def test_dice():
    fixed = jnp.array([[0, 1, 1], [2, 2, 0]], jnp.int32)
    moved = jnp.array([[1, 1, 1], [2, 0, 4]], jnp.int32)
    out = dice(fixed, moved, 5)
    np.testing.assert_allclose(out, [4 / 5, 2 / 3, np.nan, 0], rtol=1e-6)
    np.testing.assert_allclose(dice(moved, fixed, 5), out)


def folded(space=(8, 4)):
    """Reflects the first axis from voxel 4 on."""
    x = identity_grid(space)[None]
    return jnp.where(x > 4, -2 * (x - 4), 0.0) * jnp.array([[[[1.0, 0.0]]]])


def test_folding_fraction():
    # Central differences: the slope of u is -1 at voxel 4, -2 beyond.
    assert float(folding_fraction(folded())) == 0.5
    assert float(folding_fraction(jnp.zeros((1, 4, 4, 2)))) == 0
    mask = jnp.zeros((1, 8, 4), bool).at[:, 3:5].set(True)
    assert float(folding_fraction(folded(), mask)) == 0.5
    mask = mask.at[:, 4].set(False)
    assert float(folding_fraction(folded(), mask)) == 0


def test_log_jacobian_std():
    grid = identity_grid((9, 5))[None]
    np.testing.assert_allclose(log_jacobian_std(0.4 * grid), 0, atol=1e-6)
    # x -> x + x^2/20 has the determinant 1 + x/10 away from the border.
    u = grid**2 / 20 * jnp.array([[[[1.0, 0.0]]]])
    mask = jnp.zeros((1, 9, 5), bool).at[:, 1:-1].set(True)
    expected = np.std(np.log(1 + np.arange(1, 8) / 10))
    np.testing.assert_allclose(log_jacobian_std(u, mask), expected, rtol=1e-5)
    assert np.isfinite(log_jacobian_std(folded()))


def test_displacement_error():
    truth = jnp.zeros((1, 2, 3, 2))
    u = truth.at[:, 0].set(jnp.array([[3.0, 2.0]]))
    # 3 voxels of 1 mm and 2 voxels of 2 mm are 5 mm, in half of the grid.
    np.testing.assert_allclose(displacement_error(u, truth, (1.0, 2.0)), 2.5)
    mask = jnp.zeros((1, 2, 3), bool).at[:, 0].set(True)
    np.testing.assert_allclose(displacement_error(u, truth, (1.0, 2.0), mask), 5)
