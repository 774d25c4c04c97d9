"""Scores on cases that can be worked out by hand."""

import jax
import numpy as np
import pytest

from autoreg_jax import metrics, spatial

correlation, invert = (
    jax.jit(metrics.correlation),
    jax.jit(spatial.invert, static_argnums=1),
)
dice = jax.jit(metrics.dice, static_argnums=2)
displacement_error = jax.jit(metrics.displacement_error)
folding_fraction = jax.jit(metrics.folding_fraction)
inverse_consistency_error = jax.jit(metrics.inverse_consistency_error)
learn2reg_log_jacobian_std = jax.jit(metrics.learn2reg_log_jacobian_std)
log_jacobian_std = jax.jit(metrics.log_jacobian_std)
target_registration_error = jax.jit(metrics.target_registration_error)


def grid_of(shape):
    return np.stack(np.indices(shape), -1).astype(np.float32)[None]


def zeros(*shape):
    return np.zeros(shape, np.float32)


def inside(shape, *index):
    mask = np.zeros(shape, bool)
    mask[(slice(None), *index)] = True
    return mask


def test_dice():
    fixed = np.int32([[0, 1, 1], [2, 2, 0]])
    moved = np.int32([[1, 1, 1], [2, 0, 4]])
    out = dice(fixed, moved, 5)
    np.testing.assert_allclose(out, [4 / 5, 2 / 3, np.nan, 0], rtol=1e-6)
    np.testing.assert_allclose(dice(moved, fixed, 5), out)


def folded(space=(8, 4)):
    """Reflects the first axis from voxel 4 on."""
    x = grid_of(space)
    return np.where(x > 4, -2 * (x - 4), 0) * np.float32([1, 0])


def test_folding_fraction():
    # Central differences: the slope of u is -1 at voxel 4, -2 beyond.
    assert float(folding_fraction(folded())) == 0.5
    assert float(folding_fraction(zeros(1, 4, 4, 2))) == 0
    mask = inside((1, 8, 4), np.s_[3:5])
    assert float(folding_fraction(folded(), mask)) == 0.5
    mask[:, 4] = False
    assert float(folding_fraction(folded(), mask)) == 0


def test_log_jacobian_std():
    grid = grid_of((9, 5))
    np.testing.assert_allclose(log_jacobian_std(np.float32(0.4) * grid), 0, atol=1e-6)
    # x -> x + x^2/20 has the determinant 1 + x/10 away from the border.
    u = grid**2 / 20 * np.float32([1, 0])
    mask = inside((1, 9, 5), np.s_[1:-1])
    expected = np.std(np.log(1 + np.arange(1, 8) / 10))
    np.testing.assert_allclose(log_jacobian_std(u, mask), expected, rtol=1e-5)
    # Of the folded field the part beyond the fold is left out, the rest keeps volume.
    np.testing.assert_allclose(log_jacobian_std(folded()), 0, atol=1e-6)
    everywhere = -2 * grid_of((5, 5)) * np.float32([1, 0])
    assert np.isnan(log_jacobian_std(everywhere))


def wavy(shape, seed, scale):
    """A smooth displacement in voxels, one-to-one where `scale` is small."""
    rng = np.random.default_rng(seed)
    x = np.stack(np.indices(shape), -1)
    phase, size = rng.uniform(0, 6, (2, len(shape)))
    field = scale * np.sin(x[..., ::-1] / 3 + phase) * np.cos(x / 4 + size)
    return field[None].astype(np.float32)


def test_log_jacobian_std_of_learn2reg():
    u = wavy((12, 11, 10), 0, 8.0)
    assert float(folding_fraction(u)) > 0
    field = np.asarray(u[0], np.float64)
    rows = [np.gradient(field[..., i]) for i in range(3)]
    matrix = np.moveaxis(np.array(rows), (0, 1), (-2, -1)) + np.eye(3)
    determinant = np.linalg.det(matrix)[2:-2, 2:-2, 2:-2]
    expected = np.log((determinant + 3).clip(0.000000001, 1000000000)).std()
    np.testing.assert_allclose(learn2reg_log_jacobian_std(u), expected, rtol=1e-4)
    mask = inside((1, 12, 11, 10), *np.s_[3:6, :, 2:])
    values = determinant[mask[0, 2:-2, 2:-2, 2:-2]]
    found = learn2reg_log_jacobian_std(u, mask)
    np.testing.assert_allclose(found, np.log((values + 3).clip(1e-9)).std(), rtol=1e-4)
    positive = np.linalg.det(matrix)
    expected = np.log(positive[positive > 0]).std()
    np.testing.assert_allclose(log_jacobian_std(u), expected, rtol=1e-4)


def test_target_registration_error():
    shift = np.float32([[[1.0, -2.0]]])
    u = grid_of((6, 8)) / 2 + shift[None]  # affine: interpolation is exact
    fixed = np.float32([[[1.5, 2.0], [3.0, 6.25]]])
    moving = fixed * np.float32(1.5) + shift
    error = target_registration_error(u, fixed, moving, (2.0, 3.0))
    np.testing.assert_allclose(error, [[0, 0]], atol=1e-5)
    away = moving + np.float32([[[2.0, 1.0], [0.0, -4.0]]])
    error = target_registration_error(u, fixed, away, (2.0, 3.0))
    np.testing.assert_allclose(error, [[5, 12]], rtol=1e-5)
    # The axes of the array do not matter.
    error = target_registration_error(
        np.swapaxes(u, 1, 2)[..., ::-1], fixed[..., ::-1], away[..., ::-1], (3.0, 2.0)
    )
    np.testing.assert_allclose(error, [[5, 12]], rtol=1e-5)


def test_inverse_consistency_error():
    one = np.ones((1, 5, 4, 2), np.float32)
    np.testing.assert_allclose(inverse_consistency_error(one, -one, (3.0, 4.0)), 0)
    np.testing.assert_allclose(inverse_consistency_error(one, one, (3.0, 4.0)), 10)
    u = wavy((24, 20), 1, 0.8)
    mask = inside((1, 24, 20), *np.s_[4:-4, 4:-4])
    inverse = invert(u, 60)
    spacing = (2.0, 3.0)
    assert float(inverse_consistency_error(inverse, u, spacing, mask)) < 0.2
    before = float(inverse_consistency_error(np.zeros_like(u), u, spacing, mask))
    lengths = np.linalg.norm(u[0] * spacing, axis=-1)[mask[0]]
    assert before == pytest.approx(lengths.mean(), rel=1e-5)


def test_correlation():
    rng = np.random.default_rng(0)
    fixed, moved = rng.random((2, 6, 5, 4)).astype(np.float32)
    expected = np.corrcoef(fixed.ravel(), moved.ravel())[0, 1]
    found = correlation(fixed, moved)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    mask = rng.random(fixed.shape) > 0.5
    expected = np.corrcoef(fixed[mask], moved[mask])[0, 1]
    found = correlation(fixed, 3 - 2 * moved, mask)
    np.testing.assert_allclose(found, -expected, rtol=1e-4)
    assert np.isnan(correlation(fixed, np.ones_like(fixed)))


def test_displacement_error():
    truth, u = zeros(1, 2, 3, 2), zeros(1, 2, 3, 2)
    u[:, 0] = 3.0, 2.0
    # 3 voxels of 1 mm and 2 voxels of 2 mm are 5 mm, in half of the grid.
    np.testing.assert_allclose(displacement_error(u, truth, (1.0, 2.0)), 2.5)
    mask = inside((1, 2, 3), 0)
    np.testing.assert_allclose(displacement_error(u, truth, (1.0, 2.0), mask), 5)
