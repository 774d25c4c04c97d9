"""Soft Dice, one-hot labels and diffusion."""

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.losses import diffusion_loss, one_hot, soft_dice, soft_dice_loss


def test_one_hot():
    labels = jnp.array([[[0, 2], [1, 5]]], jnp.int32)
    expected = [[[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 0]]]]
    np.testing.assert_array_equal(one_hot(labels, 3), expected)


def test_dice_of_known_overlaps():
    fixed = one_hot(jnp.array([[0, 0, 1, 1]], jnp.int32), 2)
    moved = one_hot(jnp.array([[0, 1, 1, 1]], jnp.int32), 2)
    np.testing.assert_allclose(soft_dice(fixed, moved), (2 / 3 + 4 / 5) / 2, rtol=1e-6)
    np.testing.assert_allclose(soft_dice_loss(fixed, fixed), 0, atol=1e-6)


def test_absent_classes_do_not_count():
    fixed = one_hot(jnp.array([[0, 0, 1, 1]], jnp.int32), 2)
    moved = one_hot(jnp.array([[0, 1, 1, 1]], jnp.int32), 2)
    more = [jnp.pad(x, [(0, 0), (0, 0), (0, 3)]) for x in (fixed, moved)]
    np.testing.assert_allclose(soft_dice(*more), soft_dice(fixed, moved))
    gradient = jax.grad(soft_dice_loss, argnums=1)(*more)
    assert np.all(np.isfinite(gradient))


def test_no_class_at_all():
    empty = jnp.zeros((1, 4, 2))
    np.testing.assert_allclose(soft_dice(empty, empty), 1)
    assert np.all(np.isfinite(jax.grad(soft_dice_loss, argnums=1)(empty, empty)))


def test_diffusion_is_the_mean_over_axes():
    u = np.random.default_rng(0).normal(size=(2, 4, 5, 3, 3)).astype(np.float32)
    expected = np.mean([np.mean(np.diff(u, axis=a) ** 2) for a in (1, 2, 3)])
    np.testing.assert_allclose(diffusion_loss(jnp.asarray(u)), expected, rtol=1e-5)


def test_diffusion_of_flat_grids():
    u = jnp.arange(4.0).reshape(1, 1, 4, 1) * jnp.ones((1, 1, 1, 2))
    np.testing.assert_allclose(diffusion_loss(u), 0.5)
    np.testing.assert_allclose(diffusion_loss(jnp.ones((1, 1, 1, 2))), 0)
