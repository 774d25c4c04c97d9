"""Text that is YAML or JSON by its grammar, and nothing that anybody wrote by hand."""

import itertools
import time

import pytest

from autoreg_jax import config
from autoreg_jax.config import RunConfig, build, parse
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import parse_json

LETTERS = "abcdefghi"
BOMB = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x]"]
    + [
        f"{two}: &{two} [{', '.join([f'*{one}'] * 9)}]"
        for one, two in itertools.pairwise(LETTERS)
    ]
)
TEXTS = {
    "nested anchors": (BOMB, "references are not supported, line 2"),
    "an anchor in itself": ("a: &a [*a]", "references are not supported"),
    "a merge key": ("a: &a {b: 1}\nc: {<<: *a}", "references are not supported"),
    "deep lists": ("[" * 3000 + "]" * 3000, "nested too deeply"),
    "101 lists": ("[" * 101 + "]" * 101, "nested too deeply"),
    "deep blocks": (
        "\n".join(" " * i + "a:" for i in range(600)),
        "nested too deeply",
    ),
    "deep mappings": ("{a: " * 3000 + "}" * 3000, "nested too deeply"),
    "400 digits": ("seed: " + "9" * 400, "too many digits"),
    "5000 digits": ("seed: " + "9" * 5000, "too many digits"),
    "hexadecimal": ("seed: 0x" + "f" * 400, "too many digits"),
    "no date": ("seed: 2026-13-45", "cannot be read"),
    "no time": ("seed: 2026-01-01 99:99:99", "cannot be read"),
    "a tag that lies": ("seed: !!int xx", "cannot be read"),
    "a float that is none": ("seed: !!float xx", "cannot be read"),
    "a truth that is none": ("seed: !!bool xx", "cannot be read"),
    "bytes": ("seed: !!binary '***'", "valid YAML|cannot be read|whole number"),
    "a program": ("seed: !!python/object/apply:os.system [ls]", "not valid YAML"),
    "a list as a name": ("? [1]\n: 2", "not valid YAML|unknown name"),
    "a mapping as a name": ("? {a: 1}\n: 2", "not valid YAML|unknown name"),
    "a long name": ("n" * 1000 + ": 1", "unknown name"),
    "a long value": ("seed: " + "v" * 10_000, "seed: must be a whole number"),
    "many values": (f"seed: {list(range(2000))}", "seed: must be a whole number"),
    "a long file": ("# " + "x" * 2_000_000, "more than settings can have"),
    "no mapping": ("- a\n- b", "must consist of"),
    "infinite": ("train: {learning_rate: .inf}", "learning_rate: must be finite"),
    "NaN": ("train: {learning_rate: .nan}", "learning_rate: must be finite"),
    "a list for a word": ("search: {judge: [dice]}", "judge: must be"),
    "zeros": ("\0\0\0", "not valid YAML"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_settings_of_no_person_are_refused_quickly_in_a_sentence(tmp_path, name):
    text, words = TEXTS[name]
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    begin = time.monotonic()
    with pytest.raises(ConfigError, match=words) as caught:
        config.load(path)
    assert time.monotonic() - begin < 5
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1500 + len(str(path))


@pytest.mark.parametrize(
    "value", ["2026-13-45", "[" * 2000, "!!int xx", "*a", "9" * 400]
)
def test_single_values_have_the_same_limits(value):
    with pytest.raises(
        ConfigError, match=r"--set seed=.*is not a YAML value"
    ) as caught:
        config.override(RunConfig(), [f"seed={value}"])
    assert len(str(caught.value)) < 500


def test_ordinary_text_is_as_before():
    text = "a: 1_000\nb: 0x10\nc: 2026-01-05\nd: [1, 2.5, yes, ~]"
    found = parse(text, "x")
    assert (found["a"], found["b"], found["d"]) == (1000, 16, [1, 2.5, True, None])
    assert found["c"].isoformat() == "2026-01-05"
    assert parse("", "x") == {}
    assert build(RunConfig, {"seed": 999_999_999}, None, "x").seed == 999_999_999


JSON = {
    "deep": ("[" * 100_000 + "]" * 100_000, "more than 64 levels"),
    "65 levels": ("[" * 65 + "]" * 65, "more than 64 levels"),
    "deep objects": ('{"a":' * 100_000, "more than 64 levels"),
    "digits": ("9" * 5000, "5000 digits"),
    "infinite": ("1e999", "too large"),
    "NaN": ("[NaN]", "NaN is not a number"),
    "Infinity": ("-Infinity", "is not a number"),
    "half a character": ('"\\ud800"', "surrogates not allowed"),
    "bytes": (b"\xff\xfe\xff", "decode"),
    "nothing": ("", "Expecting value"),
}


@pytest.mark.parametrize("name", JSON)
def test_json_of_no_program_is_a_value_error(name):
    text, words = JSON[name]
    with pytest.raises(ValueError, match=words):
        parse_json(text)


def test_ordinary_json_is_as_before():
    assert parse_json('{"a": [1, -2.5e3, true, null, "\\u00e9"]}') == {
        "a": [1, -2500.0, True, None, "é"]
    }
    assert parse_json("[" * 60 + "]" * 60)
