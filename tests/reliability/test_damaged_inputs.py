"""Whatever happens to a file that a command reads: a sentence, or a result."""

import random
import shutil
import warnings

import numpy as np
import pytest
from damage import DAMAGE, damage
from outcome import check_sentence

from autoreg_jax.cli import main
from autoreg_jax.config import RunConfig, dump
from autoreg_jax.data import read_image, write_volume
from autoreg_jax.geometry import Volume
from autoreg_jax.transforms import Grid, Transform

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
SHAPE = (6, 5, 4)
PLAN = "plan subjects.csv --config config.yaml --set pairs.list=pairs.csv"
IMAGES = "apply -i 0.nii.gz 1.nii.gz -r 2.nii.gz -t warp.nii.gz affine.mat -o moved"
POINTS = "apply -i points.csv -t warp.nii.gz affine.mat -o points_moved.csv"
SPACE = "plan subjects.csv --set search.space=space.yaml search.strategy=race"
SPACE_TEXT = """
about: rates
choices:
  train.learning_rate:
    about: Rate of the training.
    values: [0.01, 0.02]
  network.width:
    factors: [2.0, 0.5]
    when: {network.scales: 4}
"""


def write_inputs(folder):
    """One file of each kind that a person may give."""
    rng = np.random.default_rng(0)
    rows = ["subject,image,labels,split"]
    for place, split in enumerate(("train", "validation", "test") * 2):
        image = rng.random(SHAPE, np.float32)
        write_volume(folder / f"{place}.nii.gz", Volume(image, AFFINE))
        labels = Volume((image > 0.5).astype(np.int32), AFFINE)
        write_volume(folder / f"{place}_labels.nii.gz", labels)
        rows.append(f"s{place},{place}.nii.gz,{place}_labels.nii.gz,{split}")
    (folder / "subjects.csv").write_text("\n".join(rows) + "\n")
    pairs = "fixed,moving,split\ns0,s3,train\ns1,s4,validation\ns2,s5,test\n"
    (folder / "pairs.csv").write_text(pairs)
    (folder / "config.yaml").write_text(dump(RunConfig()))
    (folder / "space.yaml").write_text(SPACE_TEXT)
    (folder / "points.csv").write_text("x,y,z\n1.0,2.0,3.0\n4.0,2.5,1.0\n")
    grid = Grid(SHAPE, AFFINE)
    vectors = rng.random((*SHAPE, 3), np.float32)
    Transform.displacement(vectors, grid).write(folder / "warp.nii.gz")
    matrix = np.array([[1, 0, 0, 2.0], [0, 1, 0.1, 0], [0, 0, 1, -1], [0, 0, 0, 1]])
    Transform.affine(matrix).write(folder / "affine.mat")


def check(folder, call, what, capsys):
    """A command ends with a result, or with one sentence and its code."""
    shutil.rmtree(folder / "moved", ignore_errors=True)
    (folder / "points_moved.csv").unlink(missing_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = main(call.split())
    said = capsys.readouterr().err.strip().splitlines()
    if not code:
        return
    last = [line for line in said if line.startswith("autoreg ")]
    assert len(last) == 1, (what, said)
    check_sentence(code, last[0])
    assert said[-1] == last[0], (what, said)
    for path in (folder / "moved").glob("*"):  # finished before another one failed
        assert read_image(path).array.shape == SHAPE
    assert not (folder / "points_moved.csv").exists()


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTOREG_DEBUG", raising=False)
    return tmp_path


CALLS = (PLAN, SPACE, IMAGES, POINTS)


@pytest.mark.parametrize("call", CALLS, ids=["plan", "space", "images", "points"])
def test_the_commands_work_with_what_is_whole(inputs, call, capsys):
    assert main(call.split()) == 0, capsys.readouterr().err


SLOW = "subjects.csv", "config.yaml", "space.yaml", "1.nii.gz", "4_labels.nii.gz"
NAMES = [
    *("pairs.csv", "points.csv", "warp.nii.gz", "affine.mat"),
    *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_input_is_a_sentence_or_a_result(inputs, name, capsys):
    whole = (inputs / name).read_bytes()
    for how in DAMAGE:
        (inputs / name).write_bytes(how(whole, random.Random(0)))
        for call in CALLS:
            check(inputs, call, f"{name} {how.__name__}", capsys)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(600))
def test_any_damaged_input(inputs, seed, capsys):
    rng = random.Random(seed)
    what = [damage(inputs, rng) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    for call in CALLS:
        check(inputs, call, "; ".join(what), capsys)
