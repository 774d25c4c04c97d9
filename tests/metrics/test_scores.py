"""Scores on cases that can be worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.metrics import (
    correlation,
    dice,
    displacement_error,
    folding_fraction,
    inverse_consistency_error,
    learn2reg_log_jacobian_std,
    log_jacobian_std,
    target_registration_error,
)
from autoreg_jax.spatial import identity_grid, invert


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
    # Of the folded field the part beyond the fold is left out, the rest keeps volume.
    np.testing.assert_allclose(log_jacobian_std(folded()), 0, atol=1e-6)
    everywhere = -2 * identity_grid((5, 5))[None] * jnp.array([[[[1.0, 0.0]]]])
    assert np.isnan(log_jacobian_std(everywhere))


def wavy(shape, seed, scale):
    """A smooth displacement in voxels, one-to-one where `scale` is small."""
    rng = np.random.default_rng(seed)
    x = np.stack(np.indices(shape), -1)
    phase, size = rng.uniform(0, 6, (2, len(shape)))
    field = scale * np.sin(x[..., ::-1] / 3 + phase) * np.cos(x / 4 + size)
    return jnp.asarray(field[None], jnp.float32)


def test_log_jacobian_std_of_learn2reg():
    u = wavy((12, 11, 10), 0, 8.0)
    assert float(folding_fraction(u)) > 0
    field = np.asarray(u[0], np.float64)
    rows = [np.gradient(field[..., i]) for i in range(3)]
    matrix = np.moveaxis(np.array(rows), (0, 1), (-2, -1)) + np.eye(3)
    determinant = np.linalg.det(matrix)[2:-2, 2:-2, 2:-2]
    expected = np.log((determinant + 3).clip(0.000000001, 1000000000)).std()
    np.testing.assert_allclose(learn2reg_log_jacobian_std(u), expected, rtol=1e-4)
    mask = jnp.zeros((1, 12, 11, 10), bool).at[:, 3:6, :, 2:].set(True)
    values = determinant[np.asarray(mask)[0, 2:-2, 2:-2, 2:-2]]
    found = learn2reg_log_jacobian_std(u, mask)
    np.testing.assert_allclose(found, np.log((values + 3).clip(1e-9)).std(), rtol=1e-4)
    positive = np.linalg.det(matrix)
    expected = np.log(positive[positive > 0]).std()
    np.testing.assert_allclose(log_jacobian_std(u), expected, rtol=1e-4)


def test_target_registration_error():
    grid = identity_grid((6, 8))[None]
    shift = jnp.array([[[1.0, -2.0]]])
    u = 0.5 * grid + shift[None]  # affine: interpolation is exact
    fixed = jnp.array([[[1.5, 2.0], [3.0, 6.25]]])
    moving = 1.5 * fixed + shift
    error = target_registration_error(u, fixed, moving, (2.0, 3.0))
    np.testing.assert_allclose(error, [[0, 0]], atol=1e-5)
    away = moving + jnp.array([[[2.0, 1.0], [0.0, -4.0]]])
    error = target_registration_error(u, fixed, away, (2.0, 3.0))
    np.testing.assert_allclose(error, [[5, 12]], rtol=1e-5)
    # The axes of the array do not matter.
    error = target_registration_error(
        jnp.swapaxes(u, 1, 2)[..., ::-1], fixed[..., ::-1], away[..., ::-1], (3.0, 2.0)
    )
    np.testing.assert_allclose(error, [[5, 12]], rtol=1e-5)


def test_inverse_consistency_error():
    one, other = jnp.full((1, 5, 4, 2), 1.0), jnp.full((1, 5, 4, 2), -1.0)
    np.testing.assert_allclose(inverse_consistency_error(one, other, (3.0, 4.0)), 0)
    np.testing.assert_allclose(inverse_consistency_error(one, one, (3.0, 4.0)), 10)
    u = wavy((24, 20), 1, 0.8)
    mask = jnp.zeros((1, 24, 20), bool).at[:, 4:-4, 4:-4].set(True)
    inverse = invert(u, 60)
    spacing = (2.0, 3.0)
    assert float(inverse_consistency_error(inverse, u, spacing, mask)) < 0.2
    before = float(inverse_consistency_error(jnp.zeros_like(u), u, spacing, mask))
    lengths = np.linalg.norm(np.asarray(u[0]) * spacing, axis=-1)[np.asarray(mask[0])]
    assert before == pytest.approx(lengths.mean(), rel=1e-5)


def test_correlation():
    rng = np.random.default_rng(0)
    fixed, moved = rng.random((2, 6, 5, 4)).astype(np.float32)
    expected = np.corrcoef(fixed.ravel(), moved.ravel())[0, 1]
    found = correlation(jnp.asarray(fixed), jnp.asarray(moved))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    mask = rng.random(fixed.shape) > 0.5
    expected = np.corrcoef(fixed[mask], moved[mask])[0, 1]
    found = correlation(jnp.asarray(fixed), jnp.asarray(3 - 2 * moved), mask)
    np.testing.assert_allclose(found, -expected, rtol=1e-4)
    assert np.isnan(correlation(jnp.asarray(fixed), jnp.ones_like(fixed)))


def test_displacement_error():
    truth = jnp.zeros((1, 2, 3, 2))
    u = truth.at[:, 0].set(jnp.array([[3.0, 2.0]]))
    # 3 voxels of 1 mm and 2 voxels of 2 mm are 5 mm, in half of the grid.
    np.testing.assert_allclose(displacement_error(u, truth, (1.0, 2.0)), 2.5)
    mask = jnp.zeros((1, 2, 3), bool).at[:, 0].set(True)
    np.testing.assert_allclose(displacement_error(u, truth, (1.0, 2.0), mask), 5)
