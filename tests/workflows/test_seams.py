"""What a user brings along: each part comes in through a public door.

Nothing is patched and no private module is imported. Operations, transform formats,
rivals and estimators have their tests beside those of their packages.
"""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from own_estimator import through_one_step

from autoreg_jax import workflows
from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.inference import load_model
from autoreg_jax.losses import PAPER_WEIGHTS, Objective, Similarity
from autoreg_jax.networks import Registration
from autoreg_jax.programs import Programs
from autoreg_jax.search_space import Genotype
from autoreg_jax.spatial import (
    Pyramid,
    half_shape,
    integrate,
    resize_displacement,
    resize_image,
)

LAM, START = dict(PAPER_WEIGHTS), 0.25


class OneLayer(nn.Module):
    """A network of a user: one layer on both images, a velocity at half resolution."""

    features: int = 4

    @nn.compact
    def __call__(self, moving, fixed, alpha=None):
        """Two images to a velocity and its displacements."""
        del alpha
        space, half = moving.shape[1:-1], half_shape(moving.shape[1:-1])
        pair = [resize_image(image, half) for image in (moving, fixed)]
        first = nn.Dense(self.features, bias_init=nn.initializers.constant(START))
        hidden = nn.tanh(first(jnp.concatenate(pair, -1)))
        velocity = 0.1 * nn.Dense(len(space))(hidden)
        u_half = integrate(velocity, 2)
        fields = (resize_displacement(u_half, s) for s in (space, half_shape(half)))
        full, quarter = fields
        return Registration(velocity, Pyramid(full, u_half, quarter))


def test_a_network_of_ones_own_is_trained_kept_and_read(cohorts, settings, tmp_path):
    module = OneLayer()
    model = workflows.train(cohorts[0], settings, module, LAM, run=tmp_path)
    assert model.params["Dense_0"]["kernel"].shape == (2, 4)
    assert workflows.evaluate(cohorts[2], model, settings).summary["pairs"] == 4
    pair = cohorts[2].images[:1], cohorts[2].images[1:2]
    with pytest.raises(ArtifactError, match=r"OneLayer.*load_model\(folder, network="):
        load_model(tmp_path)(*pair)
    again = load_model(tmp_path, network=module)
    np.testing.assert_array_equal(again(*pair).velocity, model(*pair).velocity)


def test_a_network_of_ones_own_starts_as_its_own_initialisers_say(cohorts, settings):
    starts = []

    def observe(stage, step, state):
        if step == 0:
            tree = programs.layout(module).to_tree(np.asarray(state.params))
            starts.append(tree)

    module, programs = OneLayer(), Programs(settings, 2)
    journal = workflows.Journal(observe=observe)
    options = {"programs": programs, "journal": journal}
    workflows.train(cohorts[0], settings, module, LAM, **options)
    # No rule of this project would draw such a bias.
    np.testing.assert_array_equal(starts[0]["Dense_0"]["bias"], START)
    assert np.any(starts[0]["Dense_0"]["kernel"])


ASKED = []


def family(genotype):
    """One network for all genotypes."""
    ASKED.append(genotype)
    return OneLayer()


OF_FAMILY = {"network": family, "genotype": Genotype.uniform("conv_3")}


@pytest.fixture(scope="module")
def of_family(cohorts, settings):
    """A search of λ for the family."""
    return workflows.search(*cohorts[:2], settings, **OF_FAMILY)


def test_a_family_of_networks_of_ones_own_is_searched(of_family):
    assert OF_FAMILY["genotype"] in ASKED
    assert of_family.lam != of_family.lam_start


def squares(fixed, moved, window):
    """Mean squared difference; no window."""
    del window
    return jnp.mean((fixed - moved) ** 2)


SQUARES = Similarity(
    squares, lambda fixed: fixed, lambda fixed, moved, window: (fixed - moved) ** 2
)


def magnitude(inputs):
    """A term: the mean square of the displacement."""
    return jnp.mean(inputs.displacements.full**2)


def test_a_similarity_and_a_term_of_ones_own_train_a_network(
    cohorts, settings, tmp_path
):
    objective = Objective(SQUARES, extra_terms={"magnitude": magnitude})
    lam = {"full": 1.0, "magnitude": 0.5}
    journal = workflows.Journal(tmp_path)
    once = replace(settings, train=replace(settings.train, steps=1, log_every=1))
    workflows.train(
        cohorts[0], once, OneLayer(), lam, objective=objective, journal=journal
    )
    terms = journal.records[0]["terms"]
    assert set(terms) == set(lam)
    total = terms["full"] + 0.5 * terms["magnitude"]
    assert journal.records[0]["loss"] == pytest.approx(total, rel=1e-5)
    zeros = jnp.zeros((1, 8, 8, 2))
    image = jnp.asarray(np.random.default_rng(0).random((1, 8, 8, 1)), jnp.float32)
    fields = Pyramid(zeros, zeros[:, :4, :4], zeros[:, :2, :2])
    value, _ = objective(image, image + 0.5, fields, {"full": 2.0})
    assert float(value) == pytest.approx(0.5)


def test_the_weight_of_a_term_of_ones_own_is_searched(cohorts, settings):
    objective = Objective(SQUARES, extra_terms={"magnitude": magnitude})
    lam = {"full": 1.0, "magnitude": 0.5}
    found = workflows.search(
        *cohorts[:2], settings, objective=objective, lam=lam, **OF_FAMILY
    )
    assert found.lam_start == lam
    assert set(found.lam) == set(lam)
    assert found.lam["magnitude"] != lam["magnitude"]


def test_weights_of_ones_own_need_an_architecture(cohorts, settings):
    with pytest.raises(ConfigError, match=r"lam: .* give a genotype and search\.str"):
        workflows.search(*cohorts[:2], settings, lam=LAM)


def test_a_strategy_of_ones_own(cohorts, settings, tmp_path):
    def hand_made(job):
        assert job.train is cohorts[0]
        genotype = Genotype.uniform("conv_3")
        job.keep(genotype)
        lam = {name: float(weight) for name, weight in job.lam.items()}
        return workflows.SearchResult(genotype, None, lam, lam, job.journal.records)

    found = workflows.search(*cohorts[:2], settings, strategy=hand_made, run=tmp_path)
    text = (tmp_path / "genotype.json").read_text()
    assert Genotype.from_json(text) == found.genotype == Genotype.uniform("conv_3")
    assert (tmp_path / "objective.json").is_file()


def test_an_unknown_strategy_is_refused(cohorts, settings):
    search = replace(settings.search, strategy="luck")
    with pytest.raises(ConfigError, match=r"search\.strategy: must be one of darts"):
        workflows.search(*cohorts[:2], replace(settings, search=search))


def test_an_estimator_of_ones_own_moves_lambda(cohorts, settings, of_family):
    """From a file of its own, with another sign: λ goes where it would not go."""
    own = through_one_step(-1.0)
    mine = workflows.search(*cohorts[:2], settings, estimator=own, **OF_FAMILY)
    for name in mine.lam:
        one, other = (found.lam[name] / LAM[name] - 1 for found in (mine, of_family))
        assert one * other < -1e-3
