"""Bad input, by function and by command: one sentence, exit code 2, nothing changed.

The folder of the subjects has a name with spaces and signs of several scripts.
"""

import errno
import gzip
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest

from autoreg_jax import data, geometry
from autoreg_jax.cli import main
from autoreg_jax.errors import AutoRegError

SHAPE, AFFINE = (9, 8, 10), np.diag([2.0, 2.0, 3.0, 1.0])
SPLITS = ("train", "validation", "test") * 2
COLUMNS = "subject,image,labels,mask,split"


@pytest.fixture
def subjects(tmp_path):
    """Six subjects with images, label maps and masks."""
    folder = tmp_path / "Daten für 脳, left & right"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = [COLUMNS]
    for index, split in enumerate(SPLITS):
        image = rng.uniform(0, 100, SHAPE).astype(np.float32)
        for name, array in (
            ("", image),
            (" labels", (image > 50).astype(np.int32)),
            (" mask", (image > 10).astype(np.int32)),
        ):
            path = folder / f"Ä {index}{name}.nii.gz"
            data.write_volume(path, geometry.Volume(array, AFFINE))
        stem = f"Ä {index}"
        files = f"{stem}.nii.gz,{stem} labels.nii.gz,{stem} mask.nii.gz"
        lines.append(f"s{index},{files},{split}")
    (folder / "dataset.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def contents(folder):
    """Every file below a folder and a digest of what it holds."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in folder.rglob("*")
    }


IMAGE, LABELS, MASK = "Ä 4.nii.gz", "Ä 4 labels.nii.gz", "Ä 4 mask.nii.gz"


def replaced(name, array, affine=AFFINE):
    def damage(folder):
        nib.save(nib.Nifti1Image(array, affine), folder / name)

    return damage


def rewritten(name, change):
    def damage(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(change(content))

    return damage


def in_table(old, new):
    def damage(folder):
        table = folder / "dataset.csv"
        text = table.read_text(encoding="utf-8")
        assert old in text
        table.write_text(text.replace(old, new, 1), encoding="utf-8")

    return damage


def with_value(value, start=0.0):
    array = np.random.default_rng(1).uniform(1, 2, SHAPE).astype(np.float32) + start
    array[2, 3, 4] = value
    return array


def flat_affine(folder):
    image = nib.Nifti1Image(np.ones(SHAPE, np.float32), None)
    image.header.set_sform(np.diag([1.0, 1, 0, 1]), code=1)
    nib.save(image, folder / IMAGE)


def no_affine_number(folder):
    image = nib.Nifti1Image(with_value(0), None)
    broken = np.eye(4)
    broken[0, 3] = np.nan
    image.header.set_sform(broken, code=1)
    nib.save(image, folder / IMAGE)


def wrong_extension(folder):
    (folder / IMAGE).rename(folder / "Ä 4.dcm")
    in_table(f",{IMAGE}", ",Ä 4.dcm")(folder)


def a_folder(folder):
    (folder / IMAGE).unlink()
    (folder / IMAGE).mkdir()


def nothing(folder):
    (folder / IMAGE).unlink()


def without_table(folder):
    (folder / "dataset.csv").unlink()
    (folder / IMAGE).unlink()


def bad_json(folder):
    (folder / "dataset.csv").unlink()
    content = {"training": [{"image": "./imagesTr/none.nii.gz"}]}
    (folder / "X_dataset.json").write_text(json.dumps(content))


SHIFTED = AFFINE.copy()
SHIFTED[1, 3] = 5
COLOURS = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
HALVES = np.where(with_value(0) > 1.5, 0.5, 0).astype(np.float32)


class Case(NamedTuple):
    """What is wrong, and what has to be said.

    Attributes:
        damage: Makes it wrong.
        file: Named by the message.
        finding: Words of what was found.
        remedy: Words of what to do.
    """

    damage: Callable[[Path], None]
    file: str
    finding: str
    remedy: str


CASES = {
    "wrong extension": Case(wrong_extension, "Ä 4.dcm", "a file of", "convert it"),
    "truncated gzip": Case(
        rewritten(IMAGE, lambda c: c[:-200]), IMAGE, "not a readable", "again"
    ),
    "not gzip": Case(rewritten(IMAGE, lambda c: b"text"), IMAGE, "not a read", "again"),
    "not NIfTI": Case(
        rewritten(IMAGE, lambda c: gzip.compress(b"text")), IMAGE, "not a read", "again"
    ),
    "empty file": Case(rewritten(IMAGE, lambda c: b""), IMAGE, "not a read", "again"),
    "4-D": Case(
        replaced(IMAGE, np.ones((*SHAPE, 2), np.float32)),
        IMAGE,
        "(9, 8, 10, 2)",
        "Extract one volume",
    ),
    "RGB": Case(replaced(IMAGE, COLOURS), IMAGE, "no single grey", "convert the image"),
    "zero size": Case(
        replaced(IMAGE, np.zeros((9, 0, 10), np.float32)), IMAGE, "no voxels", "again"
    ),
    "NaN": Case(replaced(IMAGE, with_value(np.nan)), IMAGE, "1 of 720", "replace them"),
    "infinite": Case(replaced(IMAGE, with_value(np.inf)), IMAGE, "infin", "replace"),
    "constant": Case(
        replaced(IMAGE, np.full(SHAPE, 3.0)), IMAGE, "all voxels are 3", "leave it out"
    ),
    "flat affine": Case(flat_affine, IMAGE, "finite and invertible", "repair the"),
    "affine of NaN": Case(
        no_affine_number, IMAGE, "finite and invertible", "repair the"
    ),
    "plane among volumes": Case(
        replaced(IMAGE, with_value(0)[..., :1]), IMAGE, "", "slices alone"
    ),
    "folder": Case(a_folder, IMAGE, "is a directory", "a file is needed"),
    "missing": Case(nothing, IMAGE, "does not exist", "correct the path"),
    "background labels": Case(
        replaced(LABELS, np.zeros(SHAPE, np.uint8)),
        LABELS,
        "all voxels are ",
        "correct it",
    ),
    "float labels": Case(replaced(LABELS, HALVES), LABELS, "0.5", "nearest-neighbour"),
    "negative labels": Case(
        replaced(LABELS, np.full(SHAPE, -1, np.int16)), LABELS, "-1", "from 0"
    ),
    "labels of another shape": Case(
        replaced(LABELS, np.ones((8, 8, 10), np.uint8)),
        LABELS,
        "(8, 8, 10)",
        "with nearest-neighbour",
    ),
    "labels elsewhere": Case(
        replaced(LABELS, np.ones(SHAPE, np.uint8), SHIFTED),
        LABELS,
        "5 mm away",
        "correct its header",
    ),
    "mask elsewhere": Case(
        replaced(MASK, np.ones(SHAPE, np.uint8), SHIFTED), MASK, "5 mm", "resample it"
    ),
    "empty mask": Case(
        replaced(MASK, np.zeros(SHAPE, np.uint8)), MASK, "is empty", "leave it out"
    ),
    "duplicate subject": Case(
        in_table("s4,", "s3,"), "dataset.csv", "'s3' appears 2", "unique name"
    ),
    "empty CSV": Case(
        rewritten("dataset.csv", lambda c: b""), "dataset.csv", "is empty", "it needs"
    ),
    "unknown column": Case(
        in_table("labels,mask", "lables,mask"),
        "dataset.csv",
        "unknown column 'lables'",
        "did you mean 'labels'",
    ),
    "unknown split": Case(
        in_table("validation", "holdout"), "dataset.csv", "'holdout'", "write one of"
    ),
    "some labels": Case(
        in_table(f",{LABELS}", ","),
        "dataset.csv",
        "no labels",
        "for all of them",
    ),
    "lonely split": Case(
        in_table("validation", "train"), "dataset.csv", "has 1 subject", "Move"
    ),
    "latin CSV": Case(
        rewritten("dataset.csv", lambda c: c.decode().replace("脳", "").encode("l1")),
        "dataset.csv",
        "not a CSV file in UTF-8",
        "export it again",
    ),
    "label map alone": Case(without_table, "Ä 4 labels", "does not exist", "rename"),
    "bad description": Case(bad_json, "none.nii.gz", "does not exist", "correct"),
}


def read_all(folder):
    dataset = data.read_dataset(folder)
    data.fingerprint(dataset)
    for split in ("train", "validation", "test"):
        data.load_cohort(dataset, split)


@pytest.mark.parametrize("name", CASES)
def test_functions(subjects, tmp_path, name):
    case = CASES[name]
    case.damage(subjects)
    before = contents(tmp_path)
    with pytest.raises(AutoRegError) as caught:
        read_all(subjects)
    text = str(caught.value)
    for words in (case.file, case.finding, case.remedy):
        assert words in text
    assert "\n" not in text
    assert contents(tmp_path) == before


VERBS = ("plan", "auto", "search")
# Each case by one of the verbs, which read the subjects alike; all by `slow`.
BY_VERB = [
    pytest.param(name, verb, marks=[] if turn == at % 3 else [pytest.mark.slow])
    for at, name in enumerate(CASES)
    for turn, verb in enumerate(VERBS)
]


@pytest.mark.parametrize(("name", "verb"), BY_VERB)
def test_commands(subjects, tmp_path, capsys, name, verb):
    case = CASES[name]
    case.damage(subjects)
    before = contents(tmp_path)
    assert main([verb, str(subjects), "-o", str(tmp_path / "my run")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    last = err.splitlines()[-1]
    assert last.startswith(f"autoreg {verb}: ")
    for words in (case.file, case.finding, case.remedy):
        assert words in last
    assert "Traceback" not in err
    assert contents(tmp_path) == before


def test_the_subjects_are_fine_as_they_are(subjects, tmp_path, capsys):
    before = contents(subjects)
    run = tmp_path / "mein Lauf é"
    assert main(["plan", str(subjects), "-o", str(run)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert f"plan: {run / 'plan.yaml'}" in out
    assert contents(subjects) == before
    assert [path.name for path in run.iterdir()] == ["plan.yaml"]
    cohort = data.load_cohort(data.read_dataset(subjects), "train")
    assert cohort.names == ("s0", "s3")


@pytest.mark.parametrize("which", ["fixed", "moving"])
def test_a_constant_image_is_not_registered(subjects, tmp_path, capsys, which):
    files = {"fixed": subjects / "Ä 0.nii.gz", "moving": subjects / IMAGE}
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.float32), AFFINE), files[which])
    before = contents(tmp_path)
    words = ["register", "-f", files["fixed"], "-m", files["moving"]]
    words += ["-o", tmp_path / "out_", "--refine", "1"]
    assert main([str(word) for word in words]) == 2
    err = capsys.readouterr().err
    assert files[which].name in err
    assert "shows nothing" in err
    assert contents(tmp_path) == before


def test_an_output_folder_that_is_a_file(subjects, tmp_path, capsys):
    (tmp_path / "run").write_text("mine")
    before = contents(tmp_path)
    for output in ("run", "run/below"):
        assert main(["plan", str(subjects), "-o", str(tmp_path / output)]) == 2
        assert "choose another" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_a_read_only_output_folder(subjects, tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    before = contents(tmp_path)
    # Not by permissions: they do not bind the superuser, who may run the tests.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != run)
    assert main(["plan", str(subjects), "-o", str(run)]) == 2
    err = capsys.readouterr().err
    assert str(run) in err
    assert "is not writable; change its permissions" in err
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (errno.ENOSPC, 1, "no space left on the device; free some"),
        (errno.EROFS, 2, "cannot be written"),
        (errno.EACCES, 2, "change its permissions"),
    ],
)
def test_a_disk_that_takes_nothing(
    subjects, tmp_path, capsys, monkeypatch, number, code, words
):
    run = tmp_path / "run"
    run.mkdir()
    before = contents(tmp_path)

    def full(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    assert main(["plan", str(subjects), "-o", str(run)]) == code
    err = capsys.readouterr().err
    assert str(run / "owner.json") in err
    assert words in err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
def test_a_volume_that_finds_no_space_leaves_the_old_one(tmp_path, monkeypatch, name):
    volume = geometry.Volume(with_value(0), AFFINE)
    path = data.write_volume(tmp_path / name, volume)
    before = contents(tmp_path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        data.write_volume(path, geometry.Volume(with_value(9), AFFINE))
    assert caught.value.filename == str(path)
    assert contents(tmp_path) == before
