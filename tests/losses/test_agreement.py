"""The judge without labels: folds that can be counted by hand, and their price."""

import jax
import numpy as np
import pytest

from autoreg_jax import losses
from autoreg_jax.losses import mind_loss
from autoreg_jax.metrics import folding_fraction
from autoreg_jax.spatial import warp

agreement_loss = jax.jit(losses.agreement_loss)
soft_folding_fraction = jax.jit(losses.soft_folding_fraction)


def stretched(factor, shape=(6, 5)):
    """The field that scales the first axis: determinant `factor` everywhere."""
    field = np.zeros((1, *shape, len(shape)), np.float32)
    field[0, ..., 0] = (factor - 1) * np.indices(shape)[0]
    return field


@pytest.mark.parametrize("shape", [(6, 5), (4, 5, 3)])
@pytest.mark.parametrize("determinant", [-2.0, -0.1, 0.0, 0.2, 1.0])
def test_a_constant_determinant_counts_as_its_sigmoid(shape, determinant):
    wanted = 1 / (1 + np.exp(determinant / 0.1))
    found = soft_folding_fraction(stretched(determinant, shape))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_where_nothing_is_near_zero_it_is_the_fraction_of_folds():
    parts = [stretched(-3.0), stretched(1.5), stretched(2.0), stretched(-1.0)]
    fields = np.concatenate(parts)
    assert float(jax.jit(folding_fraction)(fields)) == 0.5
    np.testing.assert_allclose(soft_folding_fraction(fields), 0.5, atol=1e-4)


def images(seed=0, shape=(14, 12)):
    rng = np.random.default_rng(seed)
    return rng.random((2, 1, *shape, 1)).astype(np.float32)


def test_equal_images_at_rest_cost_nothing():
    fixed, _ = images()
    still = np.zeros((1, 14, 12, 2), np.float32)
    assert float(agreement_loss(fixed, fixed, still)) == 0


def test_only_folds_above_the_budget_are_charged():
    fixed, moving = images()
    field = stretched(0.05, (14, 12))
    folds = float(soft_folding_fraction(field))
    agreement = float(
        jax.jit(lambda f, m, u: mind_loss(f, warp(m, u)))(fixed, moving, field)
    )
    for budget, wanted in (
        (folds + 0.01, agreement),
        (folds - 0.01, agreement + 10 * 0.01),
    ):
        found = agreement_loss(fixed, moving, field, budget)
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_the_penalty_unfolds():
    # No structure: nothing but the folds counts.
    fixed = np.full((1, 6, 5, 1), 0.5, np.float32)
    field = stretched(0.02)
    step = jax.jit(jax.grad(lambda u: agreement_loss(fixed, fixed, u)))(field)
    unfolded = field - 0.1 * np.asarray(step) / np.abs(step).max()
    assert float(soft_folding_fraction(unfolded)) < float(soft_folding_fraction(field))
