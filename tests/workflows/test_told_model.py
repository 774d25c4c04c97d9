"""A network that is told its smoothness: trained, kept, and compared by factors."""

import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax import config, workflows
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import read_json, read_records
from autoreg_jax.inference import load_model
from autoreg_jax.networks import Conditions
from autoreg_jax.programs import Programs, conditioned, make_structure
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows.training import (
    first_weights,
    like_model,
    told_of,
    trained_model,
)
from autoreg_jax.workflows.trials import _trainer, _trial

LAM = {"full": 1.0, "smooth": 1.0, "half": 0.2}
FACTORS = (0.1, 1.0, 10.0)
TOLD = {
    "network": {
        "scales": 2,
        "feature_channels": [4],
        "feature_edges": 1,
        "deformation_channels": [4],
        "matching": None,
        "num_steps": 2,
        "conditions": ["smooth"],
    },
    "objective": {"windows": [5, 3, 3], "smooth": 1.0},
    "train": {
        "steps": 150,
        "log_every": 50,
        "average": None,
        "omega_steps": "relative",
    },
    "evaluate": {"pairs": 3, "refine": {"steps": 0}},
}


@pytest.fixture(scope="module")
def settings():
    """A small network and a short training."""
    return config.merge(config.RunConfig(), TOLD)


@pytest.fixture(scope="module")
def genotype(settings):
    """The same operation everywhere."""
    return Genotype.uniform("conv_3", make_structure(settings).cells)


@pytest.fixture(scope="module")
def done(cohorts, settings, genotype, tmp_path_factory):
    """A trained model and its folder."""
    folder = tmp_path_factory.mktemp("told")
    model = workflows.train(cohorts[0], settings, genotype, LAM, run=folder)
    return model, folder


def test_a_larger_smoothness_is_smoother(done, cohorts):
    images = cohorts[0].images
    moving, fixed = jnp.asarray(images[:2]), jnp.asarray(images[2:])
    rough = []
    for factor in FACTORS:
        field = done[0].with_smoothness(factor)(moving, fixed).displacements.full
        rough.append(sum(np.mean(np.diff(field, axis=a) ** 2) for a in (1, 2)))
    assert rough[0] > 1.2 * rough[1]
    assert rough[1] > 1.5 * rough[2]


def test_the_model_knows_what_it_is_told(done, cohorts):
    model, folder = done
    stored = load_model(folder)
    assert stored.description == model.description
    assert stored.description.conditions == Conditions(("smooth",), 10.0)
    assert stored.description.lam == LAM
    pair = [jnp.asarray(cohorts[0].images[i][None]) for i in (0, 1)]
    for factor in FACTORS:
        one, other = (m.with_smoothness(factor)(*pair) for m in (model, stored))
        np.testing.assert_array_equal(one.displacements.full, other.displacements.full)
    losses = [record["loss"] for record in read_records(folder / "metrics.jsonl")]
    assert np.isfinite(losses).all()


def test_factors_are_evaluated_on_the_same_pairs(done, cohorts, settings, tmp_path):
    model, test = done[0], cohorts[2]
    rows = workflows.smoothness_front(
        test, model, settings, (10, 0.1, 10), run=tmp_path
    )
    assert [row["smoothness"] for row in rows] == [0.1, 10]
    found = workflows.evaluate(test, model.with_smoothness(10.0), settings).summary
    for name in ("dice", "ncc", "folding_fraction", "log_jacobian_std"):
        assert rows[1][name] == found[name]
    assert rows[0]["log_jacobian_std"]["mean"] > rows[1]["log_jacobian_std"]["mean"]
    stored = read_json(tmp_path / "smoothness.json")
    assert stored["model"] == model.digest
    assert stored["rows"] == rows
    with (tmp_path / "smoothness.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    for line, row in zip(table, rows, strict=True):
        for part, ending in (("mean", ""), ("sd", "_sd")):
            value = float(line[f"dice{ending}"])
            assert value == pytest.approx(row["dice"][part], abs=1e-6)
    with pytest.raises(ConfigError, match="no factor"):
        workflows.smoothness_front(test, model, settings, ())
    with pytest.raises(ConfigError, match=r"from 0\.1 to 10"):
        workflows.smoothness_front(test, model, settings, (1, 11))


def test_a_training_from_a_model_keeps_what_it_is_told(done, settings):
    model, plain = done[0], config.RunConfig()
    assert told_of(plain, model) == Conditions(("smooth",), 10.0)
    assert like_model(plain, model).network.conditions == ("smooth",)
    assert told_of(plain, None) is None
    more = {"conditions": ["smooth", "half"], "condition_range": 2.0}
    other = config.merge(settings, {"network": more})
    assert told_of(other, None) == Conditions(("smooth", "half"), 2.0)


def test_a_training_from_a_usual_model_adds_what_it_is_told(
    cohorts, settings, genotype
):
    plain = config.merge(settings, {"network": {"conditions": None}})
    alone = Programs(plain, 2)
    network = alone.make_network(genotype)
    omega = first_weights(plain, network, alone, None)
    given = cohorts[0], plain, genotype, network, LAM, alone, np.asarray(omega)
    usual = trained_model(*given)
    assert usual.description.conditions is None
    assert like_model(settings, usual).network.conditions == ("smooth",)
    programs = Programs(settings, 2)
    told = conditioned(usual.network, told_of(settings, usual), LAM)
    found = programs.layout(told).to_tree(
        np.asarray(first_weights(settings, told, programs, usual))
    )
    new = found.keys() - usual.params.keys()
    assert new == {"condition_half", "condition_quarter"}
    for name in usual.params:
        one, other = (jax.tree.leaves(tree[name]) for tree in (found, usual.params))
        for part, kept in zip(one, other, strict=True):
            np.testing.assert_array_equal(part, kept)
    assert np.abs(found["condition_half"]["out"]["kernel"]).max() > 0


def test_trials_are_trained_as_the_run_is(cohorts, settings, genotype, tmp_path):
    trainer = _trainer.Trainer(*cohorts[:2], settings, tmp_path, genotype)
    _, network, _ = trainer.network(_trial.Trial("a"))
    assert network.conditions == 1
    untold = {"network.conditions": None}
    _, network, _ = trainer.network(_trial.Trial("b", untold))
    assert network.conditions == 0


def test_a_network_that_cannot_be_told_is_refused(cohorts, settings):
    with pytest.raises(ConfigError, match=r"network\.conditions needs a network with"):
        workflows.train(cohorts[0], settings, "voxelmorph", LAM)
    with pytest.raises(ConfigError, match=r"above 0, which are full, got smooth"):
        workflows.train(cohorts[0], settings, "voxelmorph", {"full": 1.0})
