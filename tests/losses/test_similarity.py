"""NCC and MIND: definitions, invariances, and constant images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax import losses
from autoreg_jax.losses import mind_descriptor, mind_loss

local_ncc = jax.jit(losses.local_ncc, static_argnums=2)
local_ncc_loss = jax.jit(losses.local_ncc_loss, static_argnums=2)

# Compiled: one by one, the many slices of MIND take seconds.
DESCRIPTOR = jax.jit(mind_descriptor)
SIMILARITIES = [local_ncc_loss, jax.jit(mind_loss)]


def pair(space, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(size=(2, 1, *space, 1)).astype(np.float32)


def test_ncc_is_the_squared_correlation_of_the_window():
    fixed, moved = pair((9, 8))
    centre = np.asarray(local_ncc(fixed, moved, 5))[0, 4, 3, 0]
    windows = [np.asarray(x)[0, 2:7, 1:6, 0].ravel() for x in (fixed, moved)]
    np.testing.assert_allclose(centre, np.corrcoef(*windows)[0, 1] ** 2, rtol=1e-4)


def test_ncc_ignores_brightness_and_contrast():
    fixed, moved = pair((9, 7, 8))
    inside = (slice(None), *[slice(2, -2)] * 3)
    plain = np.asarray(local_ncc(fixed, moved, 5))[inside]
    changed = np.asarray(local_ncc(fixed, 0.3 - 0.7 * moved, 5))[inside]
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
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("value", [0.0, 0.3])
@pytest.mark.parametrize("loss", SIMILARITIES, ids=["ncc", "mind"])
def test_constant_background_is_finite_to_second_order(loss, value):
    fixed, moved = pair((12, 14))
    fixed[:, :, 5:] = moved[:, :, 5:] = value
    constant = np.full_like(fixed, value)
    gradient = jax.jit(jax.grad(loss, argnums=1))
    product = jax.jit(lambda f, m: jax.jvp(gradient, (f, m), (m, f))[1])
    for a in (fixed, constant):
        for b in (moved, constant):
            assert np.isfinite(loss(a, b))
            assert np.all(np.isfinite(gradient(a, b)))
            assert np.all(np.isfinite(product(a, b)))
    assert np.abs(gradient(constant, constant)).max() < 1e-3


@pytest.mark.parametrize("loss", SIMILARITIES, ids=["ncc", "mind"])
def test_first_and_second_derivatives(loss):
    with jax.enable_x64(True):
        fixed, moved = pair((6, 5)).astype(np.float64)
        direction = np.sin(9 * moved)
        gradient = jax.value_and_grad(lambda m: loss(fixed, m))

        @jax.jit
        def derivatives(step):
            place = moved + step * direction
            return jax.jvp(gradient, (place,), (direction,))

        ((above, ahead), _), ((below, behind), _), ((_, middle), (_, product)) = (
            jax.device_get(derivatives(step)) for step in (1e-6, -1e-6, 0.0)
        )
        slope = (above - below) / 2e-6
        np.testing.assert_allclose(np.vdot(middle, direction), slope, rtol=1e-5)
        np.testing.assert_allclose(product, (ahead - behind) / 2e-6, atol=1e-6)


@pytest.mark.parametrize(("space", "pairs"), [((5, 6), 4), ((4, 5, 3), 12)])
def test_mind_has_a_channel_a_pair(space, pairs):
    descriptor = DESCRIPTOR(pair(space)[0])
    assert descriptor.shape == (1, *space, pairs)
    np.testing.assert_allclose(np.max(descriptor, axis=-1), 1, rtol=1e-5)
    assert np.min(descriptor) >= 0


def test_mind_ignores_contrast_and_inversion():
    fixed, _ = pair((8, 7))
    np.testing.assert_allclose(
        DESCRIPTOR(1 - 0.5 * fixed), DESCRIPTOR(fixed), atol=1e-4
    )


def test_mind_bounds_are_those_of_each_image():
    first, second = pair((6, 6))
    both = np.asarray(DESCRIPTOR(np.concatenate([first, np.float32(0.01) * second])))
    np.testing.assert_allclose(both[:1], DESCRIPTOR(first), atol=1e-6)


def test_channels_are_compared_by_the_weighted_mean():
    rng = np.random.default_rng(0)
    fixed, moved = (jnp.asarray(rng.random((1, 8, 9, 2)), jnp.float32) for _ in "fm")
    named = [losses.SIMILARITIES[name] for name in ("ncc", "mind")]
    both = losses.channel_similarity(["ncc", "mind"], [1, 3])
    parts = [(s, fixed[..., c, None], moved[..., c, None]) for c, s in enumerate(named)]
    shares = np.array([0.25, 0.75])
    for found, apart in (
        (both.loss(fixed, moved, 5), [s.loss(f, m, 5) for s, f, m in parts]),
        (
            both.difference(both.describe(fixed), moved, 5),
            [s.difference(s.describe(f), m, 5) for s, f, m in parts],
        ),
    ):
        wanted = sum(w * x for w, x in zip(shares, apart, strict=True))
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    # Features of both, and the mean square of their difference.
    assert both.features is None
    minds = losses.channel_similarity(["mind", "mind"], [1, 3])
    difference = minds.features(fixed) - minds.features(moved)
    alone = [
        np.mean((named[1].features(f) - named[1].features(m)) ** 2) for _, f, m in parts
    ]
    np.testing.assert_allclose(np.mean(difference**2), shares @ alone, rtol=1e-5)
    # One channel needs nothing new, and equal arguments no new program.
    assert losses.channel_similarity(["mind"]) is named[1]
    assert both is losses.channel_similarity(named, [2, 6])
    for weights in ([1], [1, 0], [1, -1], [1, float("nan")]):
        with pytest.raises(ValueError, match="must be 2 numbers above 0"):
            losses.channel_similarity(named, weights)
