"""Records survive an interruption and hold nothing that JSON cannot."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import append_record, read_json, read_records, write_json


def test_records_come_back_in_order(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert read_records(path) == []
    for step in range(3):
        append_record(path, {"step": step, "loss": jnp.float32(0.5)})
    assert read_records(path) == [{"step": s, "loss": 0.5} for s in range(3)]


@pytest.mark.parametrize("cut", [1, 3, 13])
def test_cut_last_line_is_forgotten_and_written_over(tmp_path, cut):
    path = tmp_path / "metrics.jsonl"
    for step in range(2):
        append_record(path, {"step": step})
    path.write_bytes(path.read_bytes()[:-cut])
    kept = [{"step": s} for s in range(2 if cut == 0 else 1)]
    if cut == 13:  # the first line lost its end, too
        kept = []
    assert read_records(path) == kept
    append_record(path, {"step": 9})
    assert read_records(path) == [*kept, {"step": 9}]


def test_damage_inside_is_an_error_with_its_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0}\n{"step"\n{"step": 2}\n')
    with pytest.raises(
        ArtifactError, match=r"metrics\.jsonl: line 2 is not a JSON object"
    ):
        read_records(path)


def test_everything_becomes_plain_json(tmp_path):
    path = tmp_path / "data.json"
    data = {
        "array": np.arange(4).reshape(2, 2),
        "scalar": np.float64(0.25),
        "device": jnp.ones(2),
        "nan": float("nan"),
        "nested": [{"inf": np.float32(np.inf)}, (1, "a", None, True)],
        "path": Path("a/b"),
        3: "key",
    }
    write_json(path, data)
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {
        "array": [[0, 1], [2, 3]],
        "scalar": 0.25,
        "device": [1.0, 1.0],
        "nan": None,
        "nested": [{"inf": None}, [1, "a", None, True]],
        "path": str(Path("a/b")),
        "3": "key",
    }
    assert read_json(path)["scalar"] == 0.25


@pytest.mark.parametrize(
    ("text", "says"),
    [(None, "no such file"), ("{", "JSON"), ("[1]", "JSON object")],
)
def test_unreadable_json_is_an_artifact_error(tmp_path, text, says):
    path = tmp_path / "genotype.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ArtifactError, match=rf"genotype\.json: .*{says}"):
        read_json(path)
