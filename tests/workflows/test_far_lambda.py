"""Stages of λ that look far ahead, in whole searches."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from searches import check_same, merged, of_stage
from shift import Shift, shift_programs
from stand_in import SmallNetwork

from autoreg_jax import config, workflows
from autoreg_jax.errors import ConfigError
from autoreg_jax.programs._optimizers import make_outer_optimizer
from autoreg_jax.workflows import Journal, SteppedSearch

FAR = {"horizon": 2, "moves": 2, "pairs": 2, "window": 2, "floor": 0.0}


@pytest.fixture(scope="module")
def conv_3(settings):
    """Settings with nothing to search but λ."""
    own = {"network": {"operations": ["conv_3"]}, "search": {"judge": "landmarks"}}
    return config.merge(settings, own)


@pytest.fixture(scope="module")
def marked(cohorts):
    """The subjects, those of the validation with landmarks."""
    points = np.float32([[[5, 6], [9, 8]], [[6, 6], [10, 8]], [[5, 7], [9, 9]]])
    return cohorts[0], dataclasses.replace(cohorts[1], landmarks=points)


def far(settings, method, **options):
    lam = {"steps": 9, "warm_up": 1}
    return merged(settings, lam=lam, lam_search=FAR | {"method": method} | options)


_KEPT = {}


def small_programs(settings, **options):
    """Programs of a network and an objective that compile in a moment."""
    key = settings.search.lam_search.method, *options
    if key not in _KEPT:
        _KEPT[key] = shift_programs(settings, **options)
    return _KEPT[key]


def small_search(subjects, settings, **options):
    programs = small_programs(settings)
    return workflows.search(*subjects, settings, programs=programs, **options)


@pytest.fixture(scope="module", params=["branches", "forward", "amortised"])
def found(request, marked, conv_3):
    """A search, its settings and the training steps of each step."""
    settings = far(conv_3, request.param)
    cost = {"branches": 4, "forward": 7, "amortised": 1}[request.param]
    return small_search(marked, settings), settings, cost


def test_a_record_holds_the_derivative_and_its_cost(found):
    result, settings, cost = found
    is_amortised = settings.search.lam_search.method == "amortised"
    records = of_stage(result, "lam")
    assert [r["step"] for r in records if "valid_loss" in r] == [3, 5]
    assert len(records) == 5
    for record, spent in ((records[2], 1 + 2 * cost), (records[4], 1 + 4 * cost)):
        assert record["training_steps"] == spent
        # A network that is told λ never starts again.
        assert record["horizon"] == (record["step"] if is_amortised else 2)
        slopes, errors = record["derivative"], record["standard_error"]
        assert set(slopes) == set(errors) == {"smooth", "half", "quarter"}
        norm = np.linalg.norm(list(slopes.values()))
        np.testing.assert_allclose(record["hypergradient_norm"], norm, rtol=1e-5)
        assert min(errors.values()) > 0
    assert result.lam == records[-1]["lam"]
    moves = [np.log(result.lam_start[n] / records[2]["lam"][n]) for n in slopes]
    np.testing.assert_allclose(np.linalg.norm(moves), 0.5, rtol=1e-4)
    assert result.lam["full"] == result.lam_start["full"]
    assert result.omega is not None


def test_interrupted_within_a_horizon_and_resumed(found, marked, tmp_path):
    result, settings, _ = found

    def pull_the_plug(*place):
        if place[:2] == ("lam", 4):
            raise KeyboardInterrupt

    journal = Journal(tmp_path, observe=pull_the_plug, save_every=0)
    with pytest.raises(KeyboardInterrupt):
        small_search(marked, settings, journal=journal)
    again = small_search(marked, settings, journal=Journal(tmp_path, resume=True))
    check_same(again, result)


def test_by_hand_and_as_one_program_it_is_the_same(marked, conv_3):
    settings = far(conv_3, "branches")
    result = small_search(marked, settings)
    programs = small_programs(settings, in_one_program=True)
    whole = SteppedSearch(*marked, settings, programs=programs)
    place = whole.step(whole.start(), 4)
    again = whole.step(place, 5).result
    for one, other in zip(again.records, result.records, strict=True):
        np.testing.assert_allclose(one["train_loss"], other["train_loss"], rtol=1e-4)
    first, wanted = (of_stage(r, "lam")[2] for r in (again, result))
    for name, slope in wanted["derivative"].items():
        scale = wanted["hypergradient_norm"]
        np.testing.assert_allclose(first["derivative"][name], slope, atol=0.02 * scale)


def test_log_ratios_keep_the_first_weight():
    stage = config.StageConfig(steps=2, warm_up=1, learning_rate=0.1)
    optimizer = make_outer_optimizer(
        stage, 1e-12, is_relative=True, positive="log_ratio"
    )
    lam = {name: jnp.float32(2) for name in ("full", "half", "smooth")}
    gradient = {"full": 1.0, "half": 3.0, "smooth": -4.0}
    updates, _ = jax.jit(optimizer.update)(gradient, optimizer.init(lam), lam)
    assert updates["full"] == 0
    moves = [np.log1p(updates[name] / 2) for name in ("half", "smooth")]
    np.testing.assert_allclose(moves, [-0.06, 0.08], rtol=1e-5)


def test_what_excludes_a_far_search_is_said(marked, conv_3):
    settings = config.merge(far(conv_3, "branches"), {"quirks": {"lam_descends": True}})
    with pytest.raises(ConfigError, match=r"quirks\.lam_descends"):
        workflows.search(*marked, settings, network=Shift)
    untold = far(conv_3, "amortised")
    with pytest.raises(ConfigError, match=r"field `conditions`, which SmallNetwork"):
        workflows.search(*marked, untold, network=SmallNetwork)
    with pytest.raises(ConfigError, match=r"window: must be at most horizon"):
        dataclasses.replace(
            settings.search.lam_search, method="forward", window=4, horizon=3
        )
