"""Matching of features: known offsets, its range, its independence of contrast."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.networks import INITIAL_SHARPNESS, Matching

SHARPNESS = {"params": {"sharpness": jnp.float32(INITIAL_SHARPNESS)}}


def features(shape, channels=16):
    rng = np.random.default_rng(0)
    return rng.standard_normal((1, *shape, channels)).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "offset", "radius"),
    [((16, 15), (2, -1), 2), ((12, 13, 12), (1, 0, -1), 1)],
    ids=["plane", "volume"],
)
def test_a_shift_is_found(shape, offset, radius):
    fixed = features(shape)
    axes = tuple(range(1, 1 + len(shape)))
    moving = np.roll(fixed, offset, axes)
    found = jax.jit(Matching(radius).apply)(SHARPNESS, fixed, moving)
    found, inside = np.asarray(found), (0, *(slice(4, -4),) * len(shape))
    np.testing.assert_allclose(
        found[inside], np.broadcast_to(offset, found[inside].shape), atol=0.02
    )


def test_offsets_are_the_softmax_of_correlations():
    fixed, moving = features((7, 6), 5), features((7, 6), 5)[:, ::-1]
    radius, sharpness = 1, 3.0
    found = jax.jit(Matching(radius).apply)(
        {"params": {"sharpness": np.float32(sharpness)}}, fixed, moving
    )

    def normalised(x):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-3)

    a, b = normalised(fixed)[0], np.pad(normalised(moving)[0], [(1, 1), (1, 1), (0, 0)])
    b = np.pad(b[1:-1, 1:-1], [(1, 1), (1, 1), (0, 0)], mode="edge")
    total, weights = np.zeros((7, 6, 2)), np.zeros((7, 6, 1))
    for offset in np.ndindex(3, 3):
        score = np.zeros((9, 8))
        shifted = b[offset[0] : offset[0] + 7, offset[1] : offset[1] + 6]
        score[1:-1, 1:-1] = (a * shifted).mean(-1)
        mean = sum(score[i : i + 7, j : j + 6] for i, j in np.ndindex(3, 3)) / 9
        weight = np.exp(sharpness * mean)[..., None]
        total += weight * (np.array(offset) - radius)
        weights += weight
    np.testing.assert_allclose(found[0], total / weights, rtol=1e-4, atol=1e-6)


def test_gain_and_level_of_the_features_do_not_matter():
    fixed, moving = features((8, 9)), features((8, 9))[:, :, ::-1]
    match = jax.jit(Matching(1).apply)
    expected = match(SHARPNESS, fixed, moving)
    np.testing.assert_allclose(
        match(SHARPNESS, fixed, 3 * moving + 2), expected, atol=2e-3
    )


def test_nothing_to_match_moves_nothing_and_has_finite_derivatives():
    constant = jnp.ones((1, 6, 6, 4))

    def energy(fixed, moving):
        return jnp.sum(Matching(1).apply(SHARPNESS, fixed, moving) ** 2)

    offsets = jax.jit(Matching(1).apply)(SHARPNESS, constant, constant)
    np.testing.assert_allclose(offsets, 0, atol=1e-6)
    gradient = jax.jit(jax.grad(energy, (0, 1)))(constant, constant)
    assert all(np.all(np.isfinite(part)) for part in gradient)
