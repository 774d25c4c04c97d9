"""NCC and MIND: definitions, invariances, and constant images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.losses import (
    local_ncc,
    local_ncc_loss,
    mind_descriptor,
    mind_loss,
)

# Compiled: one by one, the many slices of MIND take seconds.
DESCRIPTOR = jax.jit(mind_descriptor)
SIMILARITIES = [jax.jit(local_ncc_loss), jax.jit(mind_loss)]


def pair(space, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(
        jnp.asarray(rng.uniform(size=(1, *space, 1)), jnp.float32) for _ in range(2)
    )


def test_ncc_is_the_squared_correlation_of_the_window():
    fixed, moved = pair((9, 8))
    centre = np.asarray(local_ncc(fixed, moved, 5))[0, 4, 3, 0]
    windows = [np.asarray(x)[0, 2:7, 1:6, 0].ravel() for x in (fixed, moved)]
    np.testing.assert_allclose(centre, np.corrcoef(*windows)[0, 1] ** 2, rtol=1e-4)


def test_ncc_ignores_brightness_and_contrast():
    fixed, moved = pair((9, 7, 8))
    inside = (slice(None), *[slice(2, -2)] * 3)
    plain = local_ncc(fixed, moved, 5)[inside]
    changed = local_ncc(fixed, 0.3 - 0.7 * moved, 5)[inside]
    np.testing.assert_allclose(changed, plain, atol=1e-4)


def test_loss_of_equal_images():
    fixed, _ = pair((8, 8))
    np.testing.assert_allclose(local_ncc_loss(fixed, fixed, 5), -1, atol=1e-3)
    np.testing.assert_allclose(SIMILARITIES[1](fixed, fixed), 0, atol=1e-7)


@pytest.mark.parametrize("space", [(8, 7), (1, 6, 5)])
@pytest.mark.parametrize("loss", SIMILARITIES, ids=["ncc", "mind"])
def test_any_shape_gives_a_finite_gradient(loss, space):
    gradient = jax.jit(jax.grad(loss, argnums=1))(*pair(space))
    assert np.all(np.isfinite(gradient))
    assert float(jnp.abs(gradient).max()) > 0


@pytest.mark.parametrize("value", [0.0, 0.3])
@pytest.mark.parametrize("loss", SIMILARITIES, ids=["ncc", "mind"])
def test_constant_background_is_finite_to_second_order(loss, value):
    fixed, moved = (x.at[:, :, 5:].set(value) for x in pair((12, 14)))
    constant = jnp.full_like(fixed, value)
    gradient = jax.jit(jax.grad(loss, argnums=1))
    product = jax.jit(lambda f, m: jax.jvp(gradient, (f, m), (m, f))[1])
    for a in (fixed, constant):
        for b in (moved, constant):
            assert np.isfinite(loss(a, b))
            assert np.all(np.isfinite(gradient(a, b)))
            assert np.all(np.isfinite(product(a, b)))
    assert float(jnp.abs(gradient(constant, constant)).max()) < 1e-3


@pytest.mark.parametrize("loss", SIMILARITIES, ids=["ncc", "mind"])
def test_first_and_second_derivatives(loss):
    with jax.enable_x64(True):
        fixed, moved = (jnp.asarray(x, jnp.float64) for x in pair((6, 5)))
        direction = jnp.sin(9 * moved)
        gradient = jax.jit(jax.grad(loss, argnums=1))
        ahead, behind = moved + 1e-6 * direction, moved - 1e-6 * direction
        slope = (loss(fixed, ahead) - loss(fixed, behind)) / 2e-6
        product = jnp.vdot(gradient(fixed, moved), direction)
        np.testing.assert_allclose(product, slope, rtol=1e-5)

        _, product = jax.jvp(lambda m: gradient(fixed, m), (moved,), (direction,))
        difference = (gradient(fixed, ahead) - gradient(fixed, behind)) / 2e-6
        np.testing.assert_allclose(product, difference, atol=1e-6)


@pytest.mark.parametrize(("space", "pairs"), [((5, 6), 4), ((4, 5, 3), 12)])
def test_mind_has_a_channel_a_pair(space, pairs):
    descriptor = DESCRIPTOR(pair(space)[0])
    assert descriptor.shape == (1, *space, pairs)
    np.testing.assert_allclose(jnp.max(descriptor, axis=-1), 1, rtol=1e-5)
    assert float(descriptor.min()) >= 0


def test_mind_ignores_contrast_and_inversion():
    fixed, _ = pair((8, 7))
    np.testing.assert_allclose(
        DESCRIPTOR(1 - 0.5 * fixed), DESCRIPTOR(fixed), atol=1e-4
    )


def test_mind_bounds_are_those_of_each_image():
    first, second = pair((6, 6))
    both = jnp.concatenate([first, 0.01 * second])
    np.testing.assert_allclose(DESCRIPTOR(both)[:1], DESCRIPTOR(first), atol=1e-6)
