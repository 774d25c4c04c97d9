"""Global correlation and mutual information: definitions, masks, constant images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.losses import global_ncc, mutual_information

INFORMATION = jax.jit(mutual_information, static_argnames="num_bins")
LOSSES = [
    jax.jit(lambda *arrays, measure=measure: -jnp.mean(measure(*arrays)))
    for measure in (global_ncc, mutual_information)
]


def pair(space, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(
        jnp.asarray(rng.uniform(size=(2, *space, 1)), jnp.float32) for _ in range(2)
    )


def test_ncc_is_pearsons_correlation():
    fixed, moved = pair((6, 5, 4))
    moved = 0.5 * moved + 0.3 * fixed
    expected = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1]
        for a, b in zip(np.asarray(fixed), np.asarray(moved), strict=True)
    ]
    correlation = jax.jit(global_ncc)
    np.testing.assert_allclose(correlation(fixed, moved), expected, rtol=1e-5)
    np.testing.assert_allclose(
        correlation(fixed, 0.7 - 0.2 * moved), -np.array(expected), rtol=1e-5
    )
    np.testing.assert_allclose(correlation(fixed, fixed), [1, 1], rtol=1e-5)


def test_information_is_that_of_the_spline_histogram():
    """The same sum, written with loops and SciPy's spline."""
    from scipy.interpolate import BSpline

    fixed, moved = pair((7, 6))
    bins = 8
    kernel = BSpline.basis_element(np.arange(-2, 3), extrapolate=False)

    def shares(value):
        place = 1 + value * (bins - 3)
        return np.nan_to_num(kernel(place - np.arange(bins)))

    joint = np.zeros((bins, bins))
    for a, b in zip(np.ravel(fixed[0]), np.ravel(moved[0]), strict=True):
        joint += np.outer(shares(float(a)), shares(float(b)))
    joint /= joint.sum()
    product = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    some = joint > 0
    expected = np.sum(joint[some] * np.log(joint[some] / product[some]))
    found = INFORMATION(fixed, moved, num_bins=bins)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_information_does_not_care_for_contrast():
    fixed, other = pair((24, 24))
    same = INFORMATION(fixed, fixed)
    np.testing.assert_allclose(INFORMATION(fixed, 1 - fixed), same, rtol=1e-4)
    assert np.all(np.asarray(INFORMATION(fixed, (2 * fixed - 1) ** 2)) > 0.4 * same)
    assert np.all(np.asarray(INFORMATION(fixed, other)) < 0.5 * same)
    forward, backward = INFORMATION(fixed, other), INFORMATION(other, fixed)
    np.testing.assert_allclose(forward, backward, rtol=1e-4)


@pytest.mark.parametrize("loss", LOSSES, ids=["ncc", "mi"])
def test_a_mask_is_a_smaller_image(loss):
    fixed, moved = pair((10, 8))
    weights = jnp.zeros_like(fixed).at[:, :6].set(1.0)
    masked = loss(fixed, moved, weights)
    np.testing.assert_allclose(masked, loss(fixed[:, :6], moved[:, :6]), rtol=1e-4)
    changed = moved.at[:, 6:].set(0.9)
    np.testing.assert_allclose(loss(fixed, changed, weights), masked, rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES, ids=["ncc", "mi"])
def test_constant_images_and_empty_masks_are_finite(loss):
    fixed, moved = pair((6, 6))
    constant = jnp.full_like(fixed, 0.3)
    gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))
    for a in (fixed, constant):
        for b in (moved, constant):
            for weights in (jnp.ones_like(a), jnp.zeros_like(a)):
                value = loss(a, b, weights)
                assert np.isfinite(value)
                for part in gradient(a, b, weights):
                    assert np.all(np.isfinite(part))
                if a is constant or b is constant or weights.max() == 0:
                    assert abs(float(value)) < 1e-5


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("loss", LOSSES, ids=["ncc", "mi"])
def test_gradient(loss):
    fixed, moved = (jnp.asarray(x, jnp.float64) for x in pair((6, 5)))
    direction = jnp.sin(9 * moved)
    slope = jnp.vdot(jax.jit(jax.grad(loss, argnums=1))(fixed, moved), direction)
    ahead, behind = (loss(fixed, moved + h * direction) for h in (1e-5, -1e-5))
    np.testing.assert_allclose(slope, (ahead - behind) / 2e-5, rtol=1e-5)


def test_too_few_bins():
    fixed, moved = pair((4, 4))
    with pytest.raises(ValueError, match="at least 5"):
        mutual_information(fixed, moved, num_bins=4)
