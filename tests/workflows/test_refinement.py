"""The smoothness of the refinement: moves along its derivative, decision, storage."""

import logging
import math
from dataclasses import replace

import numpy as np
import pytest
from stand_in import SIZE, SmallNetwork, auto, make_cohort, write_dataset

from autoreg_jax import config, workflows
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import read_json
from autoreg_jax.inference import (
    AtMinimum,
    ModelDescription,
    RegistrationModel,
    load_model,
)
from autoreg_jax.losses import PAPER_WEIGHTS
from autoreg_jax.report._refinement import refinement_sentence
from autoreg_jax.workflows.refinement import Move, _search, follow
from autoreg_jax.workflows.training import with_usual

MOVES = config.RefineSearchConfig(moves=6)


def valley(bottom, spread, *, minima=4):
    """Four pairs, each with its own lowest place of a parabola."""
    bottoms = bottom + spread * np.array([-1.5, -0.5, 0.5, 1.5])

    def at(place):
        return [
            AtMinimum(
                control=np.zeros(2),
                judged=0.01 * (place - own) ** 2,
                derivative=0.02 * (place - own),
                gradient_left=0.01,
                residual=0.001,
                is_minimum=number < minima,
            )
            for number, own in enumerate(bottoms)
        ]

    return at


def test_the_moves_lead_to_where_the_pairs_no_longer_tell():
    place, moves = follow(valley(0.8, 0.1), MOVES)
    assert moves[0].log_factor == 0
    assert moves[0].derivative == pytest.approx(-0.016)
    assert moves[1].log_factor == pytest.approx(MOVES.step, rel=1e-4)
    assert abs(moves[-1].derivative) <= moves[-1].error
    assert place == moves[-1].log_factor == pytest.approx(0.8, abs=0.1)
    # The standard error of four slopes, 0.02 times the spread.
    expected = 0.02 * 0.1 * np.std([-1.5, -0.5, 0.5, 1.5], ddof=1) / 2
    assert moves[0].error == pytest.approx(expected)


def test_no_move_where_more_and_less_are_as_good():
    place, moves = follow(valley(0.1, 0.5), MOVES)
    assert (place, len(moves)) == (0.0, 1)


def test_what_is_no_minimum_does_not_count(caplog):
    _, moves = follow(valley(0.8, 0.1, minima=3), MOVES)
    assert moves[0].pairs == 3
    assert moves[0].derivative == pytest.approx(-0.02 * (0.8 - 0.05))
    with caplog.at_level(logging.WARNING):
        place, moves = follow(valley(0.8, 0.1, minima=1), MOVES)
    assert place is None
    assert not moves
    assert "1 of 4 pairs reached a minimum" in caplog.text


@pytest.fixture(scope="module")
def still():
    """A model that moves nothing, with far too much smoothness."""
    network = SmallNetwork()
    shapes = network.init(None, np.zeros((1, SIZE, SIZE, 1)), None)["params"]
    zeros = {
        k: {n: np.zeros(x.shape, np.float32) for n, x in v.items()}
        for k, v in shapes.items()
    }
    about = ModelDescription(
        genotype="SmallNetwork",
        orientation="RAS",
        spacing=(2.0, 2.0),
        lam={k: float(v) for k, v in PAPER_WEIGHTS.items()} | {"smooth": 1500.0},
        similarity="ncc",
        windows=(5, 3, 3),
    )
    return RegistrationModel(about, zeros, network=network)


@pytest.fixture(scope="module")
def subjects():
    return make_cohort(5, 2)


def run_of(moves=2, **search):
    refine = {"steps": 3, "search": {"moves": moves, "pairs": 4}}
    values = {"evaluate": {"refine": refine}, "search": {"judge_pairs": 16, **search}}
    return config.merge(config.RunConfig(), values)


def led_to(monkeypatch, factor):
    """Let the moves lead to a factor, and count how often they are asked."""
    calls = []

    def found(judging, model, run):
        calls.append(judging.pairs)
        assert model.description.refine_smoothness == 1
        return math.log(factor), [Move(0.0, 0.2, -0.01, 0.001, 4, 1e-3, 1e-3)]

    monkeypatch.setattr(_search, "_found", found)
    return calls


def test_a_better_weight_is_decided_and_stored(still, subjects, tmp_path, monkeypatch):
    calls = led_to(monkeypatch, 0.01)
    model = workflows.search_refinement(subjects, still, run_of(), run=tmp_path)
    assert model.description.refine_smoothness == pytest.approx(0.01)
    assert model.description.smoothness == pytest.approx(
        0.01 * still.description.smoothness
    )
    loaded = load_model(tmp_path, network=SmallNetwork())
    assert loaded.description == model.description
    content = read_json(tmp_path / "refinement.json")
    assert content["is_decided"]
    assert content["gain"]["low"] > 0
    assert (content["pairs"], content["are_other_pairs"]) == (16, True)
    assert content["moves"][0]["derivative"] == -0.01
    sentence = refinement_sentence(content)
    assert "led to 0.01 times as much" in sentence
    assert "so it is used" in sentence
    # The same network again: kept. Another network: searched anew, from 1.
    again = workflows.search_refinement(subjects, still, run_of(), run=tmp_path)
    assert again.description == model.description
    assert len(calls) == 1
    params = still.params | {"head": {"kernel": still.params["head"]["kernel"] + 1e-3}}
    other = replace(loaded, params=params)
    workflows.search_refinement(subjects, other, run_of(), run=tmp_path)
    assert len(calls) == 2


def test_a_worse_weight_is_not_decided(still, subjects, tmp_path, monkeypatch):
    led_to(monkeypatch, 20.0)
    lam = still.description.lam | {"smooth": 15.0}
    model = replace(still, description=replace(still.description, lam=lam))
    few = replace(
        subjects,
        names=subjects.names[:3],
        images=subjects.images[:3],
        labels=subjects.labels[:3],
    )
    run = config.merge(run_of(), {"evaluate": {"refine": {"search": {"pairs": 6}}}})
    found = workflows.search_refinement(few, model, run, run=tmp_path)
    assert found.description == model.description
    assert not (tmp_path / "model").exists()
    content = read_json(tmp_path / "refinement.json")
    assert content["gain"]["mean"] < 0
    assert (content["is_decided"], content["factor"]) == (False, 1)
    assert content["found"] == pytest.approx(20)
    assert (content["pairs"], content["are_other_pairs"]) == (6, False)
    assert "not decided" in refinement_sentence(content)


def test_nothing_happens_by_default(still, subjects, tmp_path):
    run = run_of(moves=0)
    assert workflows.search_refinement(subjects, still, run, run=tmp_path) is still
    assert not list(tmp_path.glob("refinement*"))
    assert config.RunConfig().evaluate.refine.search.moves == 0


def test_settings_that_cannot_be_searched_are_refused():
    with pytest.raises(ConfigError, match=r"search\.moves: needs a judge.*auto"):
        run_of(judge="none")
    with pytest.raises(ConfigError, match=r"search\.moves: is 2, but steps is 0"):
        config.merge(run_of(), {"evaluate": {"refine": {"steps": 0}}})


@pytest.mark.slow
def test_auto_searches_behind_the_training(cohorts, settings, tmp_path):
    run = config.merge(
        settings,
        {
            "evaluate": {
                "refine": {"search": {"moves": 1, "pairs": 3, "steps": 40}},
            },
            "search": {"judge_pairs": 3, "strategy": "darts"},
        },
    )
    table = write_dataset(tmp_path, cohorts)
    auto(table, tmp_path / "run", run)
    content = read_json(tmp_path / "run" / "refinement.json")
    (move,) = content["moves"]
    assert move["pairs"] >= 2
    assert move["gradient_left"] < 1
    found = math.exp(-0.5 * np.sign(move["derivative"]))
    assert content["found"] == pytest.approx(found, rel=1e-4)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Smoothness of the refinement: from that of λ" in page
    factor = load_model(
        tmp_path / "run", network=SmallNetwork()
    ).description.refine_smoothness
    assert factor == content["factor"]


def test_a_model_keeps_what_its_network_did_to_validation_pairs(still, subjects):
    settings = config.RunConfig()
    found = with_usual(still, subjects, settings).description.usual
    assert found.displacement == found.expansion == found.swapped == (0.0, 0.0)
    assert with_usual(still, None, settings) is still
