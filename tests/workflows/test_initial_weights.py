"""Weights drawn on the host against those of the network's own initialisers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from unoptimised import quick
from weights import initial_weights

from autoreg_jax.networks import RegistrationNetwork
from autoreg_jax.search_space import ArchitectureLogits, Genotype

GENOTYPE = Genotype(
    (("conv_3", "sep_conv_3", "dil_conv_3"), ("conv_1", "dil_conv_5", "sep_conv_5")),
    (("sep_conv_3", "conv_5", "conv_3"), ("dil_conv_3", "conv_1", "conv_3")),
)


@pytest.fixture(scope="module")
def drawn():
    network = RegistrationNetwork(GENOTYPE, 0.5, 2, (1, 1))
    image = jnp.zeros((1, 8, 8, 1))
    own = quick(network.init)(jax.random.key(0), image, image)["params"]
    return own, lambda *seed: initial_weights(network, 2, seed)


def test_shapes_and_spread_are_those_of_the_network(drawn):
    own, draw = drawn
    weights = draw(0, 0)
    assert jax.tree.structure(own) == jax.tree.structure(weights)
    for wanted, found in zip(*map(jax.tree.leaves, (own, weights)), strict=True):
        assert wanted.shape == found.shape
        assert wanted.dtype == found.dtype
        if wanted.ndim == 0:  # a constant, not drawn
            assert wanted == found
            continue
        error = 4 / np.sqrt(wanted.size)  # of a ratio of two sample deviations
        if np.any(wanted):
            assert abs(np.log(np.std(wanted) / np.std(found))) < error
        else:
            assert not np.any(found)


@pytest.mark.slow
def test_a_mixture_of_operations_keeps_the_strength_of_one():
    noise = np.random.default_rng(0).random((2, 32, 32, 1))
    image = gaussian_filter(noise, (0, 2, 2, 0)).astype(np.float32)
    strengths = []
    plain = Genotype.uniform("conv_3")
    for genotype, alpha in ((plain, None), (None, ArchitectureLogits.zeros())):
        network = RegistrationNetwork(genotype, 0.25, 2)
        program = quick(network.apply)
        logs = []
        for seed in range(5):
            params = initial_weights(network, 2, (seed,))
            out = program({"params": params}, image, image[::-1], alpha)
            logs.append(np.log(np.std(out.velocity)))
        strengths.append(np.exp(np.mean(logs)))
    assert 1 / 3 < strengths[0] / strengths[1] < 3


def test_seed_decides(drawn):
    kernels = [
        np.asarray(jax.tree.leaves(drawn[1](*seed))[1])
        for seed in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])
    assert not np.array_equal(kernels[0], kernels[3])
    assert not np.array_equal(kernels[2], kernels[3])
