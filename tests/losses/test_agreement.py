"""The judge without labels: folds that can be counted by hand, and their price."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax.losses import agreement_loss, mind_loss, soft_folding_fraction
from autoreg_jax.metrics import folding_fraction
from autoreg_jax.spatial import identity_grid, warp


def stretched(factor, shape=(6, 5)):
    """The field that scales the first axis: determinant `factor` everywhere."""
    grid = identity_grid(shape)[None]
    return jnp.concatenate([(factor - 1) * grid[..., :1], 0 * grid[..., 1:]], axis=-1)


@pytest.mark.parametrize("shape", [(6, 5), (4, 5, 3)])
@pytest.mark.parametrize("determinant", [-2.0, -0.1, 0.0, 0.2, 1.0])
def test_a_constant_determinant_counts_as_its_sigmoid(shape, determinant):
    wanted = 1 / (1 + np.exp(determinant / 0.1))
    found = soft_folding_fraction(stretched(determinant, shape))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_where_nothing_is_near_zero_it_is_the_fraction_of_folds():
    parts = [stretched(-3.0), stretched(1.5), stretched(2.0), stretched(-1.0)]
    fields = jnp.concatenate(parts)
    assert float(folding_fraction(fields)) == 0.5
    np.testing.assert_allclose(soft_folding_fraction(fields), 0.5, atol=1e-4)


def images(seed=0, shape=(14, 12)):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.random((1, *shape, 1)), jnp.float32) for _ in range(2)]


def test_equal_images_at_rest_cost_nothing():
    fixed, _ = images()
    assert float(agreement_loss(fixed, fixed, jnp.zeros((1, 14, 12, 2)))) == 0


def test_only_folds_above_the_budget_are_charged():
    fixed, moving = images()
    field = stretched(0.05, (14, 12))
    folds = float(soft_folding_fraction(field))
    agreement = float(mind_loss(fixed, warp(moving, field)))
    for budget, wanted in (
        (folds + 0.01, agreement),
        (folds - 0.01, agreement + 10 * 0.01),
    ):
        found = agreement_loss(fixed, moving, field, budget)
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_the_penalty_unfolds():
    fixed = jnp.full((1, 6, 5, 1), 0.5)  # no structure: nothing but the folds counts
    field = stretched(0.02)
    step = quick(jax.grad(lambda u: agreement_loss(fixed, fixed, u)))(field)
    unfolded = field - 0.1 * step / jnp.abs(step).max()
    assert float(soft_folding_fraction(unfolded)) < float(soft_folding_fraction(field))
