"""Soft Dice, one-hot labels and diffusion."""

import jax
import numpy as np

from autoreg_jax import losses

diffusion_loss = jax.jit(losses.diffusion_loss)
common_dice_loss = jax.jit(losses.common_dice_loss)
there_and_back = jax.jit(losses.inverse_consistency_loss)
one_hot = jax.jit(losses.one_hot, static_argnums=1)
soft_dice, soft_dice_loss = jax.jit(losses.soft_dice), jax.jit(losses.soft_dice_loss)
slope_of_dice = jax.jit(jax.grad(losses.soft_dice_loss, argnums=1))


def test_one_hot():
    labels = np.int32([[[0, 2], [1, 5]]])
    expected = [[[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 0]]]]
    np.testing.assert_array_equal(one_hot(labels, 3), expected)


def test_dice_of_known_overlaps():
    fixed = one_hot(np.int32([[0, 0, 1, 1]]), 2)
    moved = one_hot(np.int32([[0, 1, 1, 1]]), 2)
    np.testing.assert_allclose(soft_dice(fixed, moved), (2 / 3 + 4 / 5) / 2, rtol=1e-6)
    np.testing.assert_allclose(soft_dice_loss(fixed, fixed), 0, atol=1e-6)


def test_absent_classes_do_not_count():
    fixed = one_hot(np.int32([[0, 0, 1, 1]]), 2)
    moved = one_hot(np.int32([[0, 1, 1, 1]]), 2)
    more = [np.pad(x, [(0, 0), (0, 0), (0, 3)]) for x in (fixed, moved)]
    np.testing.assert_allclose(soft_dice(*more), soft_dice(fixed, moved))
    assert np.all(np.isfinite(slope_of_dice(*more)))


def test_no_class_at_all():
    empty = np.zeros((1, 4, 2), np.float32)
    np.testing.assert_allclose(soft_dice(empty, empty), 1)
    assert np.all(np.isfinite(slope_of_dice(empty, empty)))


def test_a_perfect_warp_of_the_common_labels_has_no_loss():
    """Class 1 moves by two voxels; 2 and 3 are in one of the two images alone."""
    fixed = one_hot(np.int32([[0, 1, 1, 0, 0, 0, 2]]), 4)[..., 1:]
    moving = one_hot(np.int32([[3, 0, 0, 1, 1, 0, 0]]), 4)[..., 1:]
    u = np.full((1, 7, 1), 2, np.float32)
    np.testing.assert_allclose(common_dice_loss(fixed, moving, u), 0, atol=1e-6)
    np.testing.assert_allclose(common_dice_loss(fixed, moving, u / 2), 0.5, rtol=1e-6)
    alone = common_dice_loss(fixed[..., 1:], moving[..., 1:], u)
    np.testing.assert_allclose(alone, 0, atol=1e-6)


def test_there_and_back():
    """u = a x and w = -a / (1 + a) x undo each other; u alone is a x there."""
    x = np.arange(9, dtype=np.float32).reshape(1, 9, 1)
    there, back = x / 2, -x / 3
    np.testing.assert_allclose(there_and_back(there, back), 0, atol=1e-10)
    rest = np.mean((x / 2) ** 2)
    np.testing.assert_allclose(there_and_back(there, 0 * back), rest, rtol=1e-6)


def test_diffusion_is_the_mean_over_axes():
    u = np.random.default_rng(0).normal(size=(2, 4, 5, 3, 3)).astype(np.float32)
    expected = np.mean([np.mean(np.diff(u, axis=a) ** 2) for a in (1, 2, 3)])
    np.testing.assert_allclose(diffusion_loss(u), expected, rtol=1e-5)


def test_diffusion_of_flat_grids():
    u = np.tile(np.arange(4, dtype=np.float32).reshape(1, 1, 4, 1), 2)
    np.testing.assert_allclose(diffusion_loss(u), 0.5)
    np.testing.assert_allclose(diffusion_loss(u[:, :, :1]), 0)
