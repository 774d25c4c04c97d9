"""Weights drawn on the host against those of the network's own initialisers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.networks import RegistrationNetwork
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows._initial import initial_weights

GENOTYPE = Genotype(
    (("conv_3", "sep_conv_3", "dil_conv_3"), ("conv_1", "dil_conv_5", "sep_conv_5")),
    (("sep_conv_3", "conv_5", "conv_3"), ("dil_conv_3", "conv_1", "conv_3")),
)


@pytest.fixture(scope="module")
def drawn():
    network = RegistrationNetwork(GENOTYPE, 0.5, 2)
    image = jnp.zeros((1, 8, 8, 1))
    own = jax.jit(network.init)(jax.random.key(0), image, image)["params"]
    return own, lambda *seed: initial_weights(network, (8, 8, 1), seed)


def test_shapes_and_spread_are_those_of_the_network(drawn):
    own, draw = drawn
    weights = draw(0, 0)
    assert jax.tree.structure(own) == jax.tree.structure(weights)
    for wanted, found in zip(*map(jax.tree.leaves, (own, weights)), strict=True):
        assert wanted.shape == found.shape
        assert wanted.dtype == found.dtype
        error = 4 / np.sqrt(wanted.size)  # of a ratio of two sample deviations
        if np.any(wanted):
            assert abs(np.log(np.std(wanted) / np.std(found))) < error
        else:
            assert not np.any(found)


def test_seed_decides(drawn):
    kernels = [
        np.asarray(jax.tree.leaves(drawn[1](*seed))[1])
        for seed in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])
    assert not np.array_equal(kernels[0], kernels[3])
    assert not np.array_equal(kernels[2], kernels[3])
