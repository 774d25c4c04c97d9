"""`autoreg bench` on tiny images: real networks, real processes."""

import csv
import json
from importlib.util import find_spec

import pytest

from autoreg_jax.data import read_dataset

TINY = (
    "--set",
    "train.steps=2",
    "evaluate.refine.steps=2",
    "objective.windows=[3,3,3]",
)


def _rows(folder):
    with (folder / "bench.csv").open() as file:
        return {row["method"]: row for row in csv.DictReader(file)}


def test_before_registration(command, dataset, tmp_path):
    words = ("bench", dataset, "--methods", "none", "--pairs", 2, "-o", tmp_path)
    code, out, _ = command(*words, *TINY)
    assert code == 0
    assert "2 pairs of 2 subjects" in out
    assert f"results and tables: {tmp_path}" in out
    code, out, _ = command(*words, *TINY, "--json")
    content = json.loads(out)
    assert code == 0
    assert content["methods"][0]["pairs"] == 2
    assert 0 < content["methods"][0]["dice"] < 1


def test_a_table_of_pairs(command, dataset, tmp_path):
    subjects = read_dataset(dataset).split("test")
    moving, fixed = (subject.image for subject in subjects[:2])
    table = tmp_path / "pairs.csv"
    table.write_text(f"moving,fixed\n{moving},{fixed}\n")
    words = ("bench", dataset, "--methods", "none", "--pairs", table)
    code, out, _ = command(*words, "-o", tmp_path / "bench", *TINY)
    assert code == 0
    assert "1 pairs of 2 subjects" in out
    words += ("--other-tasks", f"other={tmp_path / 'bench'}", "-o", tmp_path / "both")
    code, out, _ = command(*words, *TINY)
    assert code == 0
    assert "other, Dice" in out
    code, out, _ = command(*words, *TINY, "--json")
    assert [row["task"] for row in json.loads(out)["tasks"]] == ["subjects", "other"]
    code, _, err = command("bench", dataset, "--pairs", "none.csv", "-o", tmp_path)
    assert code == 2
    assert "none.csv" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--methods", "autoreg"), "name its run with --model RUN"),
        (("--methods", "ants"), "'ants' is unknown"),
        (("--trained", "voxelmorph"), "must be NAME=RUN"),
        (("--other-tasks", "knee"), "must be NAME=FOLDER"),
        (("--beside", "knee"), "--beside is now --other-tasks"),
        (("--trained", "a=b", "a=c"), "a is given twice, b and c"),
        (("--seconds", 0), "seconds must be above 0"),
        (("--threads", 0), "threads at least 1"),
        (("--megabytes", 0), "megabytes must be at least 1"),
        (("--pairs", 0), "pairs"),
    ],
)
def test_wrong_words(command, dataset, tmp_path, words, message):
    code, _, err = command("bench", dataset, "-o", tmp_path / "new", *words)
    assert code == 2
    assert message in " ".join(err.split())
    assert not (tmp_path / "new").exists()


def test_missing_programs_have_rows(command, dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ("--methods", "niftyreg", "none", "--pairs", 1, "-o", tmp_path)
    code, out, _ = command("bench", dataset, *words, *TINY)
    assert code == 0
    assert "niftyreg is not finished: reg_f3d is not on PATH; to get it: build" in out
    assert _rows(tmp_path)["none"]["pairs"] == "1"


@pytest.mark.slow
def test_networks_and_their_torch_twin(command, dataset, model, tmp_path):
    names = ["autoreg", "autoreg_refined", "voxelmorph_basic"]
    if find_spec("voxelmorph") and find_spec("torch"):
        names.append("voxelmorph_torch")
    words = ("--methods", *names, "--pairs", 2, "--model", model, "-o", tmp_path)
    code, _, _ = command("bench", dataset, *words, *TINY)
    assert code == 0
    rows = _rows(tmp_path)
    assert list(rows) == names
    assert not any(row["failure"] for row in rows.values())
    assert rows["autoreg_refined"]["ncc"] > rows["autoreg"]["ncc"]
    assert (tmp_path / "runs" / "voxelmorph_basic" / "model" / "model.json").is_file()
