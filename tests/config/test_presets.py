"""The presets of the paper: what differs between them has a name and a source."""

import dataclasses

import pytest
import yaml

from autoreg_jax import config
from autoreg_jax.errors import ConfigError

OF_THE_PAPER = ("paper", "released_code", "fixed")


def flat(value, prefix=""):
    """Every single setting by its dotted name."""
    if not dataclasses.is_dataclass(value):
        return {prefix[:-1]: value}
    return {
        name: setting
        for field in dataclasses.fields(value)
        for name, setting in flat(
            getattr(value, field.name), f"{prefix}{field.name}."
        ).items()
    }


def comments(name):
    """The comment behind each value of a preset, by dotted name."""
    text = config.preset_text(name)
    lines, found = text.splitlines(), {}

    def walk(node, prefix):
        for key, value in node.value:
            if isinstance(value, yaml.MappingNode):
                walk(value, f"{prefix}{key.value}.")
            else:
                end = value.end_mark
                comment = lines[end.line][end.column :].strip().removeprefix("#")
                found[prefix + key.value] = comment.strip()

    walk(yaml.compose(text), "")
    return found


def differences(one, other):
    left, right = flat(config.load(one)), flat(config.load(other))
    return {name for name in left if left[name] != right[name]}


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_every_value_has_a_source(name):
    assert not [key for key, comment in comments(name).items() if len(comment) < 5]


def test_paper_and_released_code_differ_in_named_options_only():
    differing = differences("paper", "released_code")
    assert differing <= comments("released_code").keys()
    quirks = {name for name in differing if name.startswith("quirks.")}
    fields = {f"quirks.{f.name}" for f in dataclasses.fields(config.QuirksConfig)}
    assert quirks == fields - {"quirks.smoothness_target"}
    lengths = {f"search.{stage}.steps" for stage in ("feature", "deformation", "lam")}
    warm_up = {f"search.{stage}.warm_up" for stage in ("deformation", "lam")}
    stages = ("deformation", "lam")
    assert differing - quirks - lengths - warm_up == {
        "network.feature_weights",
        *(f"search.{stage}.beta1" for stage in ("feature", *stages)),
        *(f"search.{stage}.omega_learning_rate" for stage in stages),
        *(f"search.{stage}.look_ahead_learning_rate" for stage in stages),
        "search.lam.learning_rate",
        "search.hypergradient.radius",
        "search.hypergradient.normalise",
        "search.stop.ranking",
        "search.stop.full_ranking",
        "train.steps",
    }


@pytest.mark.parametrize("name", sorted(set(config.preset_names()) - {"released_code"}))
def test_quirks_are_off_elsewhere(name):
    assert config.load(name).quirks == config.QuirksConfig()


def test_fixed_says_what_it_repairs():
    said = comments("fixed")
    repaired = {name for name, text in said.items() if text.startswith("repaired")}
    kept = {name for name, text in said.items() if text == "as in `paper`"}
    assert repaired | kept == said.keys()
    differing = differences("paper", "fixed")
    # No difference of coordinates is left that had a radius.
    unused = {"search.hypergradient.radius", "search.hypergradient.normalise"}
    assert differing - unused == repaired - {"search.hypergradient.mixed"}


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_schedules_are_whole_epochs(name):
    """The arithmetic that the head of each file explains."""
    run = config.load(name)
    images = 377 // 2 if name == "released_code" else 377
    for stage in (run.search.deformation, run.search.lam):
        assert stage.steps == 45 * images
        assert stage.warm_up == (0 if name == "paper" else 15 * images)
    assert run.train.steps == (400 if name == "released_code" else 200) * 377


@pytest.mark.parametrize(
    ("quirks", "message"),
    [
        ({"dilation_8": True}, "quirks.dilation_8: .* deformation_only"),
        ({"alpha_spread": -1.0}, "quirks.alpha_spread: must be >= 0"),
        ({"gradient_clip": -1.0}, "quirks.gradient_clip: must be >= 0"),
    ],
)
def test_impossible_quirks_are_refused(quirks, message):
    with pytest.raises(ConfigError, match=message):
        config.merge(config.RunConfig(), {"quirks": quirks})
