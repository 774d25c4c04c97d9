"""λ of more than four terms, from the configuration to the files and back."""

import json
import logging
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from stand_in import search, train

from autoreg_jax import config, report
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import read_records
from autoreg_jax.inference import load_model
from autoreg_jax.losses import in_order
from autoreg_jax.programs import initial_lambda, training_lambda, weights_of
from autoreg_jax.report._summary import _labels_sentence
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows import evaluate

MORE = {"dice": 4.0, "inverse_consistency": 2.0, "landmarks": 0.5}
EXTRA = {"mind_full": 2.0, "bending": 0.1, "folding": 0.0} | MORE
NAMES = ("full", "smooth", "half", "quarter", *sorted(EXTRA))


@pytest.fixture(scope="module")
def cohorts(cohorts):
    """The training subjects have landmarks."""
    train, *others = cohorts
    shape = len(train.names), 5, train.images.ndim - 2
    points = np.random.default_rng(0).uniform(2, 10, shape).astype(np.float32)
    return replace(train, landmarks=points), *others


@pytest.fixture(scope="module")
def extended(settings):
    """The settings of the tests with more terms."""
    train = {"steps": 2, "directions": "both"}
    return config.merge(settings, {"objective": {"extra": EXTRA}, "train": train})


@pytest.fixture(scope="module")
def done(cohorts, extended, tmp_path_factory):
    """A search of λ and a training with what it found."""
    run = tmp_path_factory.mktemp("extra")
    genotype = Genotype.uniform("conv_3")
    found = search(cohorts[0], cohorts[1], extended, genotype=genotype, run=run)
    return found, train(cohorts[0], extended, genotype, found.lam, run=run), run


def test_configuration_names_weights_and_keeps_them(extended):
    assert tuple(in_order(initial_lambda(extended))) == NAMES
    again = config.merge(extended, {"objective": {"extra": EXTRA | {"bending": None}}})
    assert "bending" not in in_order(initial_lambda(again))
    with pytest.raises(ConfigError, match=r"extra\.mind_ful: .*mean mind_full"):
        config.merge(config.RunConfig(), {"objective": {"extra": {"mind_ful": 1.0}}})
    with pytest.raises(ConfigError, match=r"extra\.bending: must be >= 0"):
        config.merge(config.RunConfig(), {"objective": {"extra": {"bending": -1.0}}})


def test_search_moves_every_weight(done):
    found, _, run = done
    assert tuple(found.lam) == tuple(found.lam_start) == NAMES
    np.testing.assert_allclose(
        [found.lam_start[n] for n in EXTRA], list(EXTRA.values())
    )
    assert all(
        (found.lam[name] != found.lam_start[name]) == (name != "inverse_consistency")
        for name in EXTRA
        if EXTRA[name]
    )
    assert all(weight >= 0 for weight in found.lam.values())
    objective = json.loads((run / "objective.json").read_text())
    assert objective["lam"] == found.lam


def test_records_and_report_name_every_term(done):
    _, _, run = done
    records = read_records(run / "metrics.jsonl")
    assert {record["stage"] for record in records} == {"lam", "train"}
    for record in records:
        constant = "inverse_consistency"
        is_search = record["stage"] == "lam"
        names = [name for name in NAMES if not (is_search and name == constant)]
        assert list(record["terms"]) == names
        assert 0 < record["terms"]["dice"] < 1
        assert np.isfinite(list(record["terms"].values())).all()
    titles = [axes.get_title() for axes in report.lambda_history(records).axes]
    overlap = "Overlap of structures (labels)"
    assert titles[4:7] == ["Bending energy", overlap, "Folding"]
    assert titles[7:] == ["Distance of landmarks", "MIND, full resolution"]
    told = "with the label maps and the landmarks of the training subjects"
    assert told in _labels_sentence(records)
    assert not _labels_sentence([r for r in records if r["stage"] == "lam"])


def test_interrupted_search_goes_on_alike(done, cohorts, extended, tmp_path):
    found, _, run = done
    again = search(
        cohorts[0],
        cohorts[1],
        extended,
        genotype=found.genotype,
        run=run,
        resume=True,
    )
    assert again.lam == found.lam


def test_model_keeps_them_and_is_refined_without_them(done, cohorts, extended):
    found, model, run = done
    read = load_model(run).description
    assert read.lam == model.description.lam == found.lam
    fixed, moving = (jnp.asarray(cohorts[2].images[[i]]) for i in (0, 1))
    start = model.start(model(moving, fixed))
    assert np.isfinite(model.refine(moving, fixed, start, steps=1).loss)
    few = replace(extended, evaluate=replace(extended.evaluate, pairs=1))
    assert np.isfinite(evaluate(cohorts[2], model, few).summary["dice"]["mean"])


def test_labels_that_are_not_there_are_missed_in_a_sentence(cohorts, extended):
    blind, found = replace(cohorts[0], labels=None), {"full": 1.0, "dice": 1.0}
    missing = r"extra\.dice: the training subjects have no label maps"
    with pytest.raises(ConfigError, match=missing):
        train(blind, extended, Genotype.uniform("conv_3"), found)
    with pytest.raises(ConfigError, match=missing):
        search(blind, cohorts[1], extended)
    missing = r"extra\.landmarks: the training subjects have no landmarks"
    known = replace(cohorts[0], landmarks=None), {"full": 1.0, "landmarks": 1.0}
    with pytest.raises(ConfigError, match=missing):
        train(known[0], extended, Genotype.uniform("conv_3"), known[1])
    with pytest.raises(ConfigError, match="directions is one; set it to both"):
        config.merge(extended, {"train": {"directions": "one"}})


def test_a_training_after_a_search_takes_its_own_labels_or_none(extended):
    searched = {"full": 1.0, "smooth": 2.0, "bending": 0.5}
    assert training_lambda(extended, searched) == searched | MORE
    assert training_lambda(extended, searched | {"dice": 9.0})["dice"] == 9.0
    assert training_lambda(config.RunConfig(), searched | MORE) == searched


def test_a_weight_that_is_set_after_a_search_is_used(extended, caplog):
    start = weights_of(extended.objective)
    found = {name: 2.0 * weight for name, weight in start.items()}
    assert training_lambda(extended, found, start) == found
    own = {"full": 99.0, "extra": {"bending": None, "dice": 3.5}}
    later = config.merge(extended, {"objective": own})
    expected = found | {"full": 99.0, "dice": 3.5}
    del expected["bending"]
    with caplog.at_level(logging.INFO):
        assert training_lambda(later, found, start) == expected
    assert "λ full is 99, as set; it was 20." in caplog.text
