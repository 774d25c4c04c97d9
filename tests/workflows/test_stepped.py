"""A search by hand: the same states as in one go, whoever looks in between."""

import pickle
from dataclasses import replace

import chex
import numpy as np
import pytest
from stand_in import programs_for, search

from autoreg_jax import config, workflows
from autoreg_jax.errors import ConfigError


@pytest.fixture(scope="module")
def rules(settings):
    """A cell, no second one, and λ, which stops by its ranking."""
    search = {
        "feature": {"steps": 5},
        "deformation": {"steps": 0, "warm_up": 0},
        "lam": {"steps": 6, "stop": {"ranking": 2}},
    }
    return config.merge(settings, {"search": search})


@pytest.fixture(scope="module")
def by_hand(cohorts, rules):
    """The search to be stepped."""
    programs = programs_for(rules)
    return workflows.SteppedSearch(*cohorts[:2], rules, programs=programs)


@pytest.fixture(scope="module")
def whole(cohorts, rules, tmp_path_factory):
    """The same search in one go, and its folder."""
    run = tmp_path_factory.mktemp("whole")
    return search(*cohorts[:2], rules, run=run), run


def without_clock(records):
    return [{k: v for k, v in r.items() if k != "seconds"} for r in records]


def check_found(state, found):
    assert state.result.genotype == found.genotype
    assert state.result.lam == found.lam == state.lam
    assert state.result.lam_start == found.lam_start
    chex.assert_trees_all_equal(state.result.alpha, found.alpha)
    chex.assert_trees_all_equal(state.result.omega, found.omega)
    assert without_clock(state.records) == without_clock(found.records)


def test_step_by_step_it_is_the_search_in_one_go(by_hand, whole):
    state, places = by_hand.start(), []
    assert (state.stage, state.step, state.omega, state.result) == (
        "feature",
        0,
        None,
        None,
    )
    assert not np.any(state.alpha.feature)
    while state.result is None:
        state = by_hand.step(state, 2)
        places.append((state.stage, state.step))
    assert places == [("feature", 2), ("feature", 4), ("lam", 1), (None, 0)]
    assert state.records[-1]["stopped"] == "ranking"
    check_found(state, whole[0])
    assert by_hand.step(state, 3).records == state.records


def test_a_state_is_kept_pickled_and_gone_on_with(by_hand, whole):
    before = by_hand.step(by_hand.start(), 3)
    alpha = np.copy(before.alpha.feature)
    kept = pickle.dumps(before)
    for begin in (before, before, pickle.loads(kept)):
        check_found(by_hand.step(begin, 99), whole[0])
    np.testing.assert_array_equal(before.alpha.feature, alpha)
    last = before.records[-1]
    assert last["step"] == before.step == 3
    np.testing.assert_array_equal(alpha, np.float32(last["alpha"]["feature"]))
    assert before.omega["mixture"]["kernel"].shape == (12 * 8 * 4, 4)


def test_a_finished_search_is_read_with_its_weights(whole, cohorts, rules):
    found, run = whole
    assert found.omega["mixture"]["kernel"].shape == (12 * 4, 4)
    again = search(*cohorts[:2], rules, run=run, resume=True)
    chex.assert_trees_all_equal(again.omega, found.omega)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 7}, "seed 0, here it is 7"),
        ({"search": {"feature": {"steps": 2}}}, r"search\.feature\.steps 5.* 2;"),
        ({"search": {"joint": True}}, r"search\.joint False, here it is True"),
        ({"search": {"omega_steps": "absolute"}}, r"search\.omega_steps"),
    ],
)
def test_a_state_of_another_search_is_refused(by_hand, cohorts, rules, change, named):
    changed = config.merge(rules, change)
    other = workflows.SteppedSearch(
        *cohorts[:2], changed, programs=programs_for(changed)
    )
    with pytest.raises(ConfigError, match=f"another search, with {named}"):
        other.step(by_hand.start())


def test_a_state_of_other_subjects_is_refused_and_another_call_size_is_not(
    by_hand, cohorts, rules
):
    programs, state = programs_for(rules), by_hand.start()
    fewer = replace(cohorts[0], names=("a", *cohorts[0].names[1:]))
    other = workflows.SteppedSearch(fewer, cohorts[1], rules, programs=programs)
    with pytest.raises(ConfigError, match="training subjects"):
        other.step(state)
    same = config.merge(rules, {"search": {"steps_per_call": 2}})
    like = workflows.SteppedSearch(*cohorts[:2], same, programs=programs)
    assert like.step(pickle.loads(pickle.dumps(state)), 0).stage == "feature"


@pytest.mark.parametrize("strategy", ["random", "foo"])
def test_another_strategy_is_refused(cohorts, rules, strategy):
    other = replace(rules, search=replace(rules.search, strategy=strategy))
    with pytest.raises(
        ConfigError, match=f"SteppedSearch .* got '{strategy}'; .*darts"
    ):
        workflows.SteppedSearch(*cohorts[:2], other)


@pytest.mark.parametrize("steps", [-1, None, True, 2.5, "2"])
def test_steps_are_a_whole_number(by_hand, steps):
    with pytest.raises(ValueError, match="steps: must be a whole number >= 0"):
        by_hand.step(by_hand.start(), steps)


def test_steps_of_numpy_are_counted_as_integers(by_hand):
    assert type(by_hand.step(by_hand.start(), np.int64(1)).step) is int
