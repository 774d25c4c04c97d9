"""Spaces as data: what they allow, and what is wrong with a file."""

import numpy as np
import pytest

from autoreg_jax.config import RunConfig
from autoreg_jax.errors import ConfigError
from autoreg_jax.spaces import (
    Choice,
    Space,
    changed,
    read_space,
    setting,
    space_names,
)

RUN = RunConfig()


@pytest.mark.parametrize("name", space_names())
def test_every_neighbour_is_a_run_that_differs_in_one_setting(name):
    space, seen = read_space(name), []
    for changes in space.neighbours(RUN):
        ((key, value),) = changes.items()
        run = changed(RUN, changes)
        assert setting(run, key) == value != setting(RUN, key)
        assert run not in seen
        seen.append(run)
    assert seen
    first = [next(iter(changes)) for changes in space.neighbours(RUN)]
    active = [c.name for c in space.choices if c.options(RUN)]
    assert first[: len(active)] == active  # one option of each before the second of any


def test_factors_act_on_the_value_of_the_run():
    smooth = Choice("objective.smooth", factors=(0.1, 1.0, 10.0))
    assert smooth.options(changed(RUN, {"objective.smooth": 3.0})) == [
        pytest.approx(0.3),
        pytest.approx(30.0),
    ]
    assert smooth.options(changed(RUN, {"objective.smooth": 0.0})) == []
    eighth = Choice("objective.extra.eighth", factors=(0.1,))
    assert eighth.options(RUN) == []  # the loss has no such term


def test_a_choice_without_effect_is_left_out():
    windows = next(c for c in read_space("macro").choices if "windows" in c.name)
    assert windows.options(RUN)
    assert not windows.options(changed(RUN, {"objective.similarity": "mind"}))


def test_random_settings_are_allowed_and_reach_every_option():
    space, rng = read_space("macro"), np.random.default_rng(0)
    drawn = [space.draw(RUN, rng) for _ in range(150)]
    for changes in drawn:
        run = changed(RUN, changes)
        if run.objective.similarity == "mind":
            assert "objective.windows" not in changes
    for choice in space.choices:
        found = {changes.get(choice.name) for changes in drawn}
        assert found >= set(choice.options(RUN))


def test_settings_that_exclude_each_other_are_not_proposed():
    both = Choice("train.directions", values=("one",))
    consistent = changed(
        RUN,
        {
            "train.directions": "both",
            "objective.extra.inverse_consistency": 0.1,
        },
    )
    space = Space("own", "", (both,))
    assert list(space.neighbours(consistent)) == []
    assert space.draw(consistent, np.random.default_rng(1)) == {}


def test_the_usual_settings_undo_what_is_unusual():
    odd = changed(RUN, {"objective.smooth": 450.0, "network.width": 0.5})
    usual = read_space("macro").usual(odd, RUN)
    assert usual == {"objective.smooth": 15.0, "network.width": 1.0}
    assert changed(odd, usual) == RUN


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("choices: {train.rate: {values: [1]}}", r"train\.rate: .*train"),
        ("choices: {train.steps: {values: [many]}}", r"train\.steps: .*whole number"),
        ("choices: {train.steps: {}}", "either values or factors"),
        ("choices: {train.steps: {values: [1], factors: [2]}}", "either values or"),
        ("choices: {train.steps: {factors: [-2]}}", "factors must be > 0"),
        ("choices: {train.schedule: {factors: [2]}}", "factors need a number"),
        ("choices: {train.steps: {option: [1]}}", "option: unknown name; the valid"),
        ("choice: {}", "choice: unknown name; the valid names are about"),
        ("choices: [1]", "choices: must be settings"),
        ("choices: {train.steps: 3}", "must consist of"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, said):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_space(path)


def test_a_missing_space_names_those_there_are():
    with pytest.raises(ConfigError, match="of the package are macro, paper"):
        read_space("micro")
