"""`autoreg apply`: images, labels and points, and its own registration once more."""

import json

import nibabel
import numpy as np
import pytest

from autoreg_jax.data import write_displacement, write_volume
from autoreg_jax.geometry import Volume
from autoreg_jax.transforms import Grid, Transform

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
SHAPE = (16, 14, 12)


def shift(x, y, z):
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return Transform.affine(matrix)


@pytest.fixture
def files(images, tmp_path):
    """Folder of a shift, a scaling and a displacement."""
    shift(2.0, 0, 0).write(tmp_path / "shift.mat")
    Transform.affine(np.diag([1.25, 1, 1, 1])).write(tmp_path / "scale.tfm")
    vectors = np.full((*SHAPE, 3), [2.0, -4.0, 0.0])
    write_displacement(tmp_path / "u.nii.gz", vectors, AFFINE)
    (tmp_path / "points.csv").write_text("name,x,y,z\na,10,12,8\nb,4,6,10\n")
    return tmp_path


def values(path):
    return np.asarray(nibabel.load(path).dataobj)


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("u.nii.gz", None),
        ("1Warp.nii.gz", "ants"),
        ("disp.nii.gz", "learn2reg"),
        ("disp.npz", None),
        ("t.h5", None),
        ("t.tfm", None),
    ],
)
def test_an_image(command, images, files, name, layout):
    moving, out = images / "moving.nii.gz", files / "out.nii.gz"
    whole = Transform.read(files / "u.nii.gz")
    path = whole.write(files / "written" / name, layout=layout)
    words = ["apply", "-i", moving, "-r", images / "fixed.nii.gz", "-o", out]
    words += ["--layout", "learn2reg"] if layout == "learn2reg" else []
    code, text, err = command(*words, "-t", path)
    assert (code, text, err) == (0, f"written: {out}\n", "")
    expected = values(moving)[1:, :-2]
    np.testing.assert_allclose(values(out)[:-1, 2:], expected, rtol=1e-5)


def test_a_header_that_is_wrong(command, images, files):
    moving, out = images / "moving.nii.gz", files / "out.nii.gz"
    image = nibabel.load(files / "u.nii.gz")
    image.header["intent_code"] = 1007
    nibabel.save(image, files / "old.nii.gz")
    words = ["apply", "-i", moving, "-r", moving, "-o", out, "-t"]
    assert command(*words, files / "old.nii.gz", "--layout", "ras")[0] == 0
    expected = values(moving)[1:, :-2]
    np.testing.assert_allclose(values(out)[:-1, 2:], expected, rtol=1e-5)


def test_several_inputs(command, images, files):
    """Each as alone, in a folder, or none of them."""
    inputs = [images / "moving.nii.gz", images / "fixed.nii.gz", files / "points.csv"]
    words = ["-r", images / "fixed_labels.nii.gz", "-t", files / "u.nii.gz"]
    folder = files / "many"
    code, text, err = command("apply", "-i", *inputs, "-o", folder, *words)
    written = [folder / path.name for path in inputs]
    assert (code, err) == (0, "")
    assert text == "".join(f"written: {path}\n" for path in written)
    for source, path in zip(inputs, written, strict=True):
        alone = files / f"alone{''.join(source.suffixes)}"
        assert command("apply", "-i", source, "-o", alone, *words)[0] == 0
        if source.suffix == ".csv":
            assert path.read_text() == alone.read_text()
        else:
            np.testing.assert_array_equal(values(path), values(alone))
    for given, output, message in [
        ([*inputs, files / "no.nii.gz"], files / "none", "no.nii.gz"),
        (inputs, files / "out.nii.gz", "several inputs need a folder"),
        ([inputs[0]] * 2, files / "none", "name of several inputs"),
        (inputs, images, "is an input"),
    ]:
        code, _, err = command("apply", "-i", *given, "-o", output, *words)
        assert (code, err.count("\n")) == (2, 1)
        assert message in err
    assert not (files / "none").exists() or not any((files / "none").iterdir())


def test_an_image_by_the_inverse(command, images, files):
    moving, out = images / "moving.nii.gz", files / "out.nii.gz"
    words = ["apply", "-i", moving, "-r", moving, "-o", out, "--inverse"]
    assert command(*words, "-t", files / "shift.mat")[0] == 0
    np.testing.assert_allclose(values(out)[1:], values(moving)[:-1], rtol=1e-5)


@pytest.mark.parametrize("how", ["nearest", "label"])
def test_labels(command, images, files, how):
    labels, out = images / "moving_labels.nii.gz", files / "out.nii.gz"
    words = ["apply", "-i", labels, "-r", labels, "-o", out, "-n", how]
    code, _, _ = command(*words, "-t", files / "shift.mat", "--json")
    assert code == 0
    np.testing.assert_array_equal(values(out)[:-1], values(labels)[1:])
    assert nibabel.load(out).get_data_dtype() == np.uint8


def test_points_move_with_the_image(command, files):
    out = files / "out.csv"
    words = ["apply", "-i", files / "points.csv", "-o", out, "-t", files / "u.nii.gz"]
    assert command(*words)[0] == 0
    rows = [line.split(",") for line in out.read_text().splitlines()]
    assert rows[0] == ["name", "x", "y", "z"]
    found = np.array([row[1:] for row in rows[1:]], float)
    np.testing.assert_allclose(found, [[8, 16, 8], [2, 10, 10]], atol=1e-3)
    assert command(*words, "--inverse")[0] == 0
    text = out.read_text().splitlines()[1]
    np.testing.assert_allclose(
        np.array(text.split(",")[1:], float), [12, 8, 8], atol=1e-3
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["scale.tfm", "shift.mat"], 10 * 1.25 + 2),
        (["shift.mat", "scale.tfm"], (10 + 2) * 1.25),
        (["-t", "scale.tfm", "-t", "shift.mat"], 10 * 1.25 + 2),
        (["[scale.tfm,1]", "shift.mat"], 10 / 1.25 + 2),
        (["[shift.mat,1]"], 8),
    ],
)
def test_order(command, files, monkeypatch, words, expected):
    # With --inverse a point goes through the map itself.
    monkeypatch.chdir(files)
    words = words if words[0] == "-t" else ["-t", *words]
    code, text, _ = command(
        "apply", "-i", "points.csv", "-o", "o.csv", *words, "--inverse", "--json"
    )
    assert code == 0
    assert json.loads(text)["output"] == "o.csv"
    found = (files / "o.csv").read_text().splitlines()[1].split(",")
    assert float(found[1]) == pytest.approx(expected, abs=1e-5)


def test_nothing_on_the_reference(command, images, files):
    shift(900.0, 0, 0).write(files / "far.mat")
    moving = images / "moving.nii.gz"
    words = ["apply", "-i", moving, "-r", moving, "-o", files / "o.nii", "-t"]
    code, _, err = command(*words, files / "far.mat")
    assert code == 0
    assert "no part of it lies on the grid" in err


def test_the_displacement_of_a_registration(command, images, model, tmp_path):
    pair = ["-f", images / "fixed.nii.gz", "-m", images / "moving.nii.gz"]
    out = tmp_path / "out_"
    options = ["--model", model, "--affine", "none"]
    assert command("register", *pair, "-o", out, *options)[0] == 0
    words = ["apply", "-i", images / "moving.nii.gz", "-r", images / "fixed.nii.gz"]
    words += ["-t", f"{out}displacement.nii.gz", "-o", tmp_path / "again.nii.gz"]
    assert command(*words)[0] == 0
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(
        values(tmp_path / "again.nii.gz")[inner],
        values(f"{out}moved.nii.gz")[inner],
        atol=0.5,  # intensities up to 1000
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-i", "moving.nii.gz", "-r", "moving.nii.gz", "-o", "o.nii"], "with -t"),
        (["-i", "moving.nii.gz", "-t", "a.mat", "-o", "o.nii"], "with -r"),
        (["-i", "points.csv", "-t", "a.mat", "-o", "o.nii"], "must end in .csv"),
        (["-i", "m.nii.gz", "-r", "m.nii.gz", "-t", "a.mat", "-o", "o.csv"], ".nii"),
        (["-i", "points.csv", "-t", "a.mat", "-o", "points.csv"], "is an input"),
        (["-i", "points.csv", "-t", "a.mat", "-o", "o.csv"], "no such transform"),
        (["-i", "points.csv", "-t", "a.png", "-o", "o.csv"], "must end in one of"),
        (["-i", "no.csv", "-t", "shift.mat", "-o", "o.csv"], "no such file"),
        (["-i", "flat.csv", "-t", "shift.mat", "-o", "o.csv"], "no column z"),
        (
            ["-i", "no.nii", "-r", "plane.nii", "-t", "shift.mat", "-o", "o.nii"],
            "does not exist",
        ),
        (
            ["-i", "solid.nii", "-r", "plane.nii", "-t", "shift.mat", "-o", "o.nii"],
            "two slices or two volumes",
        ),
        (
            ["-i", "solid.nii", "-r", "solid.nii", "-t", "flat.mat", "-o", "o.nii"],
            "transforms are 2-D",
        ),
        (["-i", "points.csv", "-t", "a.mat", "-o", "o.csv", "-n", "cubic"], "cubic"),
    ],
)
def test_bad_commands(command, files, monkeypatch, words, message):
    monkeypatch.chdir(files)
    (files / "flat.csv").write_text("x,y\n1,2\n")
    write_volume("plane.nii", Volume(np.ones((4, 5), np.float32), np.eye(4)))
    write_volume("solid.nii", Volume(np.ones((4, 5, 6), np.float32), np.eye(4)))
    Transform.affine(np.eye(3)).write("flat.mat")
    before = sorted(files.rglob("*"))
    code, out, err = command("apply", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert sorted(files.rglob("*")) == before


def test_a_fold_is_no_reason_to_guess(command, files):
    vectors = np.zeros((*SHAPE, 3))
    vectors[5] = -6.0, 0, 0
    grid = Grid(SHAPE, AFFINE)
    Transform.displacement(vectors, grid).write(files / "fold.nii.gz")
    words = ["-i", files / "points.csv", "-t", files / "fold.nii.gz"]
    code, out, err = command("apply", *words, "-o", files / "o.csv")
    assert (code, out) == (2, "")
    assert "folds at" in err
