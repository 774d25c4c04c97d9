"""A candidate operation of one's own, through the public door alone."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from unoptimised import quick

from autoreg_jax.networks import RegistrationNetwork, Structure
from autoreg_jax.ops import window_sum
from autoreg_jax.search_space import (
    CANDIDATES,
    OPERATIONS,
    ArchitectureLogits,
    Candidate,
    Genotype,
    Operation,
    decode,
)


class BlurredProjection(Operation):
    """A fixed mean filter, then a learned mixture of the channels."""

    @nn.compact
    def __call__(self, x):
        blurred = window_sum(x, self.size) / self.size**self.ndim
        steps = (slice(None), *(slice(None, None, self.stride),) * self.ndim)
        start = nn.initializers.variance_scaling(self.gain, "fan_in", "uniform")
        shape = (self.channels, self.features)
        return nn.leaky_relu(blurred[steps] @ self.param("mix", start, shape), 0.2)


BLUR = Candidate("blur_3", "mean filter, width 3", BlurredProjection, size=3)
TABLE = (CANDIDATES[0], *CANDIDATES[5:7], BLUR)
# One operation a cell: what is shown of one edge holds for all.
STRUCTURE = Structure(feature_edges=1, deformation_channels=(16,))
_LAST = np.where(np.arange(4) == 3, 0, np.float32(-200)) * np.ones((2, 2, 1, 1), "f")
DECIDED = ArchitectureLogits(*map(jnp.asarray, _LAST))


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.random((1, 9, 10, 1)), jnp.float32) for _ in range(2)]


@pytest.fixture(scope="module")
def weights(images):
    network = RegistrationNetwork(width=0.1, candidates=TABLE, structure=STRUCTURE)
    return quick(network.init)(jax.random.key(0), *images, DECIDED)["params"]


@pytest.mark.parametrize(
    "rematerialise", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_both_gradients_see_it(images, weights, rematerialise):
    network = RegistrationNetwork(
        width=0.1,
        candidates=TABLE,
        rematerialise=rematerialise,
        structure=STRUCTURE,
    )

    def loss(weights, alpha):
        out = network.apply({"params": weights}, *images, alpha)
        return jnp.mean(out.displacements.full**2)

    alpha = ArchitectureLogits.zeros(TABLE, STRUCTURE.cells)
    assert alpha.feature.shape == (2, 1, 4)
    of_weights, of_alpha = quick(jax.grad(loss, (0, 1)))(weights, alpha)
    mixes = [edge["blur_3"]["mix"] for edge in of_weights["feature_half"].values()]
    for slopes in (*mixes, of_alpha.feature[..., 3], of_alpha.deformation[..., 3]):
        assert np.all(np.isfinite(slopes))
        assert np.abs(slopes).min() > 0


def test_the_decoded_network_is_the_decided_mixture(images, weights):
    genotype = decode(DECIDED, TABLE)
    assert genotype == Genotype.uniform("blur_3", STRUCTURE.cells)
    assert Genotype.from_json(genotype.to_json(), TABLE) == genotype
    mixed = RegistrationNetwork(width=0.1, candidates=TABLE, structure=STRUCTURE)
    chosen = {
        cell: {
            edge: {"blur_3": candidates["blur_3"]} for edge, candidates in tree.items()
        }
        if cell.startswith(("feature", "deformation"))
        else tree
        for cell, tree in weights.items()
    }
    discrete = replace(mixed, genotype=genotype)
    wanted = quick(mixed.apply)({"params": weights}, *images, DECIDED)
    found = quick(discrete.apply)({"params": chosen}, *images)
    largest = float(jnp.abs(wanted.velocity).max())
    assert largest > 1e-5
    np.testing.assert_allclose(found.velocity, wanted.velocity, 1e-4, 1e-4 * largest)


def test_the_table_of_the_paper_does_not_know_it(images):
    genotype = Genotype.uniform("blur_3")
    with pytest.raises(ValueError, match=r"unknown operations \['blur_3'\]"):
        Genotype.from_json(genotype.to_json())
    network = RegistrationNetwork(genotype, width=0.1)
    with pytest.raises(ValueError, match=r"unknown operations \['blur_3'\]"):
        jax.eval_shape(network.init, jax.random.key(0), *images)
    with pytest.raises(ValueError, match=r"need \(2, 1, 8\)"):
        decode(DECIDED)
    mixed = RegistrationNetwork(width=0.1)
    with pytest.raises(ValueError, match=r"need \(2, 3, 8\)"):
        jax.eval_shape(mixed.init, jax.random.key(0), *images, DECIDED)


def test_names_and_their_order_are_those_of_the_paper():
    assert (
        *("conv_1", "conv_3", "conv_5", "sep_conv_3", "sep_conv_5"),
        *("dil_conv_3", "dil_conv_5", "dil_conv_7"),
    ) == OPERATIONS
