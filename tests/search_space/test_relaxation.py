"""Relaxations of α: closed forms, invariances, and each in a network."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick
from weights import initial_weights

from autoreg_jax import search_space
from autoreg_jax.networks import RegistrationNetwork, Structure
from autoreg_jax.search_space import ArchitectureLogits

LOGITS = jnp.array([[0.3, -1.2, 0.8, 0.0], [0.0, 0.0, 2.0, -3.0]])
SIMPLEX = {
    "tempered": partial(search_space.tempered_weights, temperature=0.7),
    "pruned": partial(search_space.pruned_weights, count=2),
    "one_hot": search_space.one_hot_weights,
}
RELAXATIONS = SIMPLEX | {"sigmoid": search_space.sigmoid_weights}


@pytest.mark.parametrize("name", SIMPLEX)
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_weights_are_shares_and_a_common_shift_changes_nothing(name, scale):
    weights = SIMPLEX[name](scale * LOGITS)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-6)
    assert float(weights.min()) >= 0
    np.testing.assert_allclose(SIMPLEX[name](scale * LOGITS + 5.0), weights, atol=1e-4)


def test_temperature_goes_from_equal_to_one_hot():
    tempered = search_space.tempered_weights
    np.testing.assert_allclose(tempered(LOGITS, 1e6), 0.25, atol=1e-5)
    np.testing.assert_allclose(
        tempered(LOGITS, 1e-2), search_space.one_hot_weights(LOGITS), atol=1e-6
    )
    np.testing.assert_array_equal(tempered(LOGITS), search_space.probabilities(LOGITS))
    odds = search_space.sigmoid_weights(jnp.log(jnp.array([1.0, 3.0])))
    np.testing.assert_allclose(odds, [0.5, 0.75])


def test_pruning_keeps_the_order_of_what_is_left():
    mask = np.array([[1, 0, 1, 0], [1, 0, 1, 0]], bool)
    weights = search_space.pruned_weights(LOGITS, 2)
    np.testing.assert_array_equal(weights > 0, mask)
    full = search_space.probabilities(LOGITS)
    np.testing.assert_allclose(
        weights[:, 0] / weights[:, 2], full[:, 0] / full[:, 2], rtol=1e-5
    )
    gradient = jax.grad(lambda x: search_space.pruned_weights(x, 2)[0, 0])(LOGITS)
    assert np.all(np.isfinite(gradient))
    assert np.all(np.asarray(gradient)[~mask] == 0)
    for count in (0, 5):
        with pytest.raises(ValueError, match=f"got {count}"):
            search_space.pruned_weights(LOGITS, count)


@pytest.mark.parametrize("name", RELAXATIONS)
def test_a_gradient_passes_where_weights_vary(name):
    ramp = jnp.arange(4.0)[None]
    slope = jax.grad(lambda x: jnp.sum(ramp * RELAXATIONS[name](x)))(LOGITS)
    assert np.all(np.isfinite(slope))
    assert (np.abs(slope).max() > 0) == (name != "one_hot")


def test_a_network_mixes_with_the_weights_of_its_relaxation():
    """Softmax undoes the logarithm: log weights in the plain network are the same."""
    rng = np.random.default_rng(0)
    images = [jnp.asarray(rng.random((1, 8, 8, 1)), jnp.float32) for _ in range(2)]
    logits = rng.normal(size=(2, 2, 1, 8)).astype(np.float32)
    relaxation = SIMPLEX["tempered"]
    logarithms = quick(lambda x: jnp.log(relaxation(x)))(logits)
    cells = Structure(feature_edges=1, deformation_channels=(16,))
    plain = RegistrationNetwork(width=0.1, num_steps=1, structure=cells)
    relaxed = replace(plain, relaxation=relaxation)
    params = {"params": initial_weights(plain, 2, (0,))}
    wanted, found = (
        quick(network.apply)(params, *images, ArchitectureLogits(*x)).displacements.full
        for network, x in ((plain, np.asarray(logarithms)), (relaxed, logits))
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    assert np.abs(wanted).max() > 1e-3
