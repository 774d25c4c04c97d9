"""How many weights a network has, against Table VI and the published architectures."""

import math

import jax
import jax.numpy as jnp
import pytest

from autoreg_jax.networks import RegistrationNetwork, Wiring
from autoreg_jax.search_space import PUBLISHED_GENOTYPES, Genotype

CODE = Wiring(has_shared_head=True)
PAPER = Wiring(has_shared_head=True, has_separate_features=True)


def count(genotype, wiring=Wiring()):  # noqa: B008
    """Weights of the three-dimensional network; nothing is computed."""
    network = RegistrationNetwork(genotype, wiring=wiring)
    image = jax.ShapeDtypeStruct((1, 16, 16, 16, 1), jnp.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), image, image)
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))


def convolution(size, channels, features):
    return size**3 * channels * features


def test_multipropreg_is_the_plain_network_and_what_it_has_besides():
    """The rival of Table VI, 0.526444 M, has the same chain of widths.

    It is no member of the search space: its strided kernels have 4³ taps, all of its
    convolutions a bias, its cells one channel ‖f − m‖₁ for the moving features, and
    each scale a dilated network that refines the velocity.
    """
    plain = count(Genotype.uniform("conv_3"))
    strided = sum(
        convolution(4, c, f) - convolution(3, c, f) for c, f in ((1, 16), (16, 32))
    )
    biases = 3 * 16 + 3 * 32 + 2 * (48 + 32 + 16)
    moving = -sum(convolution(3, c - 1, 48) for c in (32, 16))
    refinement = 2 * sum(
        convolution(3, c, f) + f for c, f in ((3, 48), (48, 48), (48, 32), (32, 3))
    )
    assert plain == 345_606
    assert plain + strided + biases + moving + refinement == 526_444


@pytest.mark.parametrize(
    ("name", "wiring", "number"),
    [
        ("abide", CODE, 591_847),
        ("abide", PAPER, 748_407),
        ("ppmi", CODE, 2_150_871),
        ("ppmi", PAPER, 2_307_431),
    ],
)
def test_published_architectures(name, wiring, number):
    assert count(PUBLISHED_GENOTYPES[name], wiring) == number


def test_a_neighbour_of_a_published_architecture_has_the_number_of_the_paper():
    """Table VI gives AutoReg 0.852 M; which architecture that is, it does not say.

    Neither of the published ones is. The published extractor with weights for each
    image (Sec. III-B) and the deformation cells `abide`, their last operation wider,
    are 0.8519 M; so are some 20 million of the 8^12 architectures.
    """
    published = PUBLISHED_GENOTYPES["abide"]
    half, quarter = published.deformation
    wider = Genotype(published.feature, (half, (*quarter[:2], "sep_conv_5")))
    assert count(wider, PAPER) == 851_895
    assert round(count(wider, PAPER) / 1e6, 3) == 0.852
