"""Reading, writing and merging of configurations."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoreg_jax import config
from autoreg_jax.errors import ConfigError


def _write(folder, text):
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_default_preset_is_the_defaults():
    assert config.load("default") == config.RunConfig()


@pytest.mark.parametrize("name", config.preset_names())
def test_dump_is_read_back(tmp_path, name):
    settings_of_run = config.load(name)
    path = _write(tmp_path, config.dump(settings_of_run))
    assert config.load(path) == settings_of_run


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    rate=st.floats(1e-12, 1e3, allow_subnormal=False),
    windows=st.tuples(*[st.integers(0, 9).map(lambda i: 2 * i + 1)] * 3),
    normalise=st.booleans(),
)
def test_any_valid_value_is_read_back(tmp_path_factory, rate, windows, normalise):
    changed = config.merge(
        config.RunConfig(),
        {
            "train": {"learning_rate": rate},
            "objective": {"windows": list(windows)},
            "search": {"hypergradient": {"normalise": normalise}},
        },
    )
    assert changed.train.learning_rate == rate
    path = _write(tmp_path_factory.mktemp("yaml"), config.dump(changed))
    assert config.load(path) == changed


def test_what_is_left_out_keeps_its_default(tmp_path):
    path = _write(tmp_path, "search: {lam: {steps: 7, warm_up: 2}}")
    lam = config.load(path).search.lam
    default = config.RunConfig().search.lam
    assert lam == dataclasses.replace(default, steps=7, warm_up=2)


def test_empty_file_is_the_defaults(tmp_path):
    assert config.load(_write(tmp_path, "# nothing\n")) == config.RunConfig()


@pytest.mark.parametrize("text", ["1e-4", "'1e-4'", "1.0e-4", "0.0001"])
def test_floats_may_be_written_as_people_do(tmp_path, text):
    path = _write(tmp_path, f"train: {{learning_rate: {text}}}")
    assert config.load(path).train.learning_rate == 1e-4


def test_whole_number_becomes_a_float(tmp_path):
    width = config.load(_write(tmp_path, "network: {width: 1}")).network.width
    assert isinstance(width, float)


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        (
            "train: {lerning_rate: 1}",
            "train.lerning_rate",
            "did you mean learning_rate",
        ),
        ("zzz: 1", "zzz", "the valid names are seed, network"),
        ("train: {steps: many}", "train.steps", "a whole number, got 'many'"),
        ("train: {steps: 2.5}", "train.steps", "a whole number, got 2.5"),
        ("train: {steps: true}", "train.steps", "a whole number, got True"),
        ("train: {steps: null}", "train.steps", "a whole number, got null"),
        ("train: {steps: 0}", "train.steps", ">= 1, got 0"),
        ("train: {learning_rate: fast}", "train.learning_rate", "a number"),
        ("train: {learning_rate: true}", "train.learning_rate", "a number"),
        ("train: {learning_rate: .nan}", "train.learning_rate", "> 0, got nan"),
        ("train: {learning_rate: .inf}", "train.learning_rate", "> 0, got inf"),
        ("train: 5", "train", "name: value"),
        ("train:", "train", "name: value"),
        ("network: {width: 0}", "network.width", "> 0, got 0"),
        ("objective: {windows: [9, 7]}", "objective.windows", "a list of 3"),
        ("objective: {windows: [9, 7, x]}", "objective.windows[2]", "a whole number"),
        ("objective: {windows: [9, 7, 4]}", "objective.windows", "odd"),
        ("objective: {full: -1}", "objective.full", ">= 0, got -1"),
        ("search: {lam: {beta1: 1}}", "search.lam.beta1", "< 1, got 1"),
        ("network: {num_steps: 13}", "network.num_steps", "<= 12, got 13"),
        (
            "network: {deformation_channels: []}",
            "network.deformation_channels",
            "one or more values",
        ),
        ("search: {lam: {warm_up: 999}}", "search.lam.warm_up", "less than steps"),
        ("search: {lam: {steps: 9, warm_up: 9}}", "search.lam.warm_up", "less than"),
        ("search: {lam: {steps: 0, warm_up: 1}}", "search.lam.warm_up", "set warm_up"),
        ("search: {minutes: 0}", "search.minutes", "> 0, got 0"),
        ("search: {rounds: 0}", "search.rounds", ">= 1, got 0"),
        ("search: {judge: jury}", "search.judge", "one of auto, dice, landmarks"),
        ("search: {positive: yes}", "search.positive", "one of none, softplus, exp"),
        ("search: {lam_search: {factor: 1}}", "search.lam_search.factor", "> 1, got 1"),
        ("search: {folding_budget: 1}", "search.folding_budget", "< 1, got 1"),
        ("search: {lam: {valid_pairs: 0}}", "search.lam.valid_pairs", ">= 1, got 0"),
        ("search: {stop: {ranking: 1}}", "search.stop.ranking", ">= 2, got 1"),
        (
            "search: {lam: {stop: {eigenvalue_lag: 0}}}",
            "search.lam.stop.eigenvalue_lag",
            ">= 1, got 0",
        ),
        ("network: {matching: [0, 1]}", "network.matching", "at least 1"),
        (
            "search: {hypergradient: {normalise: 1}}",
            "search.hypergradient.normalise",
            "true or false",
        ),
        ("evaluate: {split: tset}", "evaluate.split", "one of train, validation, test"),
        ("evaluate: {split: 3}", "evaluate.split", "text, got 3"),
        ("seed: 1\nseed: 2", "seed", "given twice"),
        ("- 1", "the file", "name: value"),
        ("a: [", "not valid YAML", "line 1, column 5: expected"),
        ("a: 1\nb: c: d", "not valid YAML", "line 2, column 5: mapping values are"),
        ("a: \0", "not valid YAML", "special characters are not allowed."),
    ],
)
def test_message_names_file_key_and_remedy(tmp_path, text, key, says):
    path = _write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {key}")
    assert says in message


@pytest.mark.parametrize("source", ["nothing.yaml", "folder/nothing", "nothing"])
def test_missing_configuration_lists_what_there_is(source):
    with pytest.raises(ConfigError, match=r"nothing.*default.*smoke"):
        config.load(source)


def test_folder_and_binary_file_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        config.load(tmp_path)
    (tmp_path / "image.yaml").write_bytes(b"\x1f\x8b\xff\xfe")
    with pytest.raises(ConfigError, match="not a text file"):
        config.load(tmp_path / "image.yaml")


def test_merge_leaves_its_arguments_alone():
    before = config.RunConfig()
    overrides = {"train": {"steps": 3}}
    assert config.merge(before, overrides).train.steps == 3
    assert before == config.RunConfig()
    assert overrides == {"train": {"steps": 3}}


def test_missing_setting_is_named():
    with pytest.raises(TypeError, match="warm_up"):
        config.StageConfig(steps=3, learning_rate=1e-3)


def test_direct_construction_checks_ranges():
    with pytest.raises(ConfigError, match=r"^radius: must be > 0, got 0"):
        config.HypergradientConfig(radius=0)


def test_a_folder_does_not_hide_a_preset_of_its_name(tmp_path, monkeypatch):
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert config.load("demo").train.steps > 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: config.MeshConfig(pairs=2.5), r"^pairs: must be a whole number.*2\.5"),
        (lambda: config.MeshConfig(pairs="2"), r"^pairs: .* number, got '2' \(str\)"),
        (lambda: config.MeshConfig(space=True), r"^space: .* number, got True"),
        (lambda: config.DataConfig(host_memory="1"), r"^host_memory: must be a number"),
        (lambda: config.DataConfig(host_memory=math.inf), "host_memory: .* finite"),
        (lambda: config.DataConfig(cache=""), r"^cache: must name a folder"),
    ],
)
def test_direct_construction_checks_types(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
    assert config.MeshConfig(pairs=np.int64(2)).pairs == 2
    assert config.DataConfig(host_memory=np.float32(2)).host_memory == 2


@pytest.mark.parametrize("word", ["null", "~", "", " null "])
def test_a_setting_can_be_set_to_none(word):
    before = config.RunConfig()
    assert before.train.average is not None
    assert before.network.matching is not None
    words = [f"train.average={word}", f"network.matching={word}"]
    after = config.override(before, words)
    assert (after.train.average, after.network.matching) == (None, None)
