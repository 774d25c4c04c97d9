"""Bad input: exit code 2, one sentence with a remedy, nothing written or changed."""

import hashlib
import subprocess
import sys

import nibabel
import numpy as np
import pytest

from autoreg_jax.data import write_volume
from autoreg_jax.geometry import Volume


def contents(folder):
    """Every file below a folder and a digest of what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in folder.rglob("*")
    }


def missing(folder):
    (folder / "moving.nii.gz").unlink()


def not_an_image(folder):
    (folder / "moving.nii.gz").write_text("subject,image\n")


def truncated(folder):
    file = folder / "moving.nii.gz"
    file.write_bytes(file.read_bytes()[:-300])


def four_axes(folder):
    image = nibabel.Nifti1Image(np.zeros((16, 14, 12, 3), np.float32), np.eye(4))
    nibabel.save(image, folder / "moving.nii.gz")


def not_finite(folder):
    array = np.zeros((16, 14, 12), np.float32)
    array[3, 4, 5] = np.nan
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), folder / "moving.nii.gz")


def singular(folder):
    content = nibabel.Nifti1Image(np.zeros((4, 4, 4), np.float32), None)
    content.header.set_sform(np.diag([1.0, 1, 0, 1]), code=1)
    nibabel.save(content, folder / "moving.nii.gz")


def elsewhere(folder):
    affine = np.diag([2.0, 2, 2, 1])
    affine[0, 3] = 900
    image = np.random.default_rng(0).random((16, 14, 12), np.float32)
    write_volume(folder / "moving.nii.gz", Volume(image, affine))
    labels = Volume(np.ones((16, 14, 12), np.int32), affine)
    write_volume(folder / "moving_labels.nii.gz", labels)


def moving_labels_elsewhere(folder):
    affine = np.diag([2.0, 2, 2, 1])
    affine[0, 3] = 900
    labels = Volume(np.ones((16, 14, 12), np.int32), affine)
    write_volume(folder / "moving_labels.nii.gz", labels)


def a_plane(folder):
    image = np.random.default_rng(0).random((16, 14)).astype(np.float32)
    volume = Volume(image, np.eye(4))
    write_volume(folder / "moving.nii.gz", volume)


def labels_elsewhere(folder):
    volume = Volume(np.ones((8, 14, 12), np.int32), np.diag([2.0, 2, 2, 1]))
    write_volume(folder / "fixed_labels.nii.gz", volume)


def labels_fractional(folder):
    volume = Volume(np.full((16, 14, 12), 0.5, np.float32), np.eye(4))
    write_volume(folder / "fixed_labels.nii.gz", volume)


@pytest.mark.parametrize(
    ("damage", "file", "remedy"),
    [
        (missing, "moving.nii.gz", ""),
        (not_an_image, "moving.nii.gz", "again"),
        (truncated, "moving.nii.gz", "again"),
        (four_axes, "moving.nii.gz", "Extract one volume"),
        (not_finite, "moving.nii.gz", "replace them"),
        (singular, "moving.nii.gz", "repair the"),
        (elsewhere, "moving.nii.gz", "Repair the headers"),
        (a_plane, "moving.nii.gz", "two slices or two volumes"),
        (labels_elsewhere, "fixed_labels.nii.gz", "resample it with"),
        (moving_labels_elsewhere, "moving_labels.nii.gz", "Copy the header"),
        (labels_fractional, "fixed_labels.nii.gz", "nearest-neighbour"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_register(command, images, model, tmp_path, damage, file, remedy):
    damage(images)
    before = contents(tmp_path)
    words = ["register", "-f", images / "fixed.nii.gz", "-m", images / "moving.nii.gz"]
    words += ["-o", tmp_path / "out" / "x_", "--model", model, "--affine", "none"]
    words += ["--fixed-labels", images / "fixed_labels.nii.gz"]
    words += ["--moving-labels", images / "moving_labels.nii.gz"]
    code, out, err = command(*words)
    assert code == 2
    assert out == ""
    assert err.startswith("autoreg register: ")
    assert file in err
    assert remedy in err
    assert "Traceback" not in err
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--refine", "0", "--affine", "none"], "nothing to do"),
        (["--affine-only", "--refine", "5"], "--affine-only excludes"),
        (["--affine-only", "--model", "x"], "--affine-only excludes"),
        (["--model", "nothing"], "no model in nothing"),
        (["--refine", "-3"], "0 or more"),
        (["--moved", "moved.png"], "must end in .nii.gz"),
        (["--fixed-labels", "x.nii.gz"], "needs --moving-labels"),
        (["--affine", "elastic"], "--affine"),
        (["--modle", "x"], "--model"),
        (["--refine", "many"], "--refine"),
    ],
)
def test_register_options(command, images, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    pair = ["-f", images / "fixed.nii.gz", "-m", images / "moving.nii.gz"]
    code, out, err = command("register", *pair, "-o", tmp_path / "out_", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert contents(tmp_path) == before


def test_inputs_are_not_written_over(command, images, model):
    before = contents(images)
    pair = ["-f", images / "fixed.nii.gz", "-m", images / "moving.nii.gz"]
    moved = ["--moved", images / "fixed.nii.gz"]
    code, _, err = command("register", *pair, *moved, "--model", model)
    assert code == 2
    assert "choose another name" in err
    assert contents(images) == before


def empty_table(folder):
    (folder / "dataset.csv").write_text("")


def no_column(folder):
    (folder / "dataset.csv").write_text("subject,image\na,0.nii.gz\n")


def no_table(folder):
    (folder / "dataset.csv").unlink()
    (folder / "0.nii.gz").unlink()


def no_image(folder):
    (folder / "3.nii.gz").unlink()


def no_validation(folder):
    table = folder / "dataset.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(x for x in lines if "validation" not in x) + "\n")


def other_grid(folder):
    volume = Volume(np.ones((8, 8, 8), np.int32), np.diag([2.0, 2, 2, 1]))
    write_volume(folder / "0_labels.nii.gz", volume)


@pytest.mark.parametrize("verb", ["auto", "search"])
@pytest.mark.parametrize(
    ("damage", "file", "remedy"),
    [
        (empty_table, "dataset.csv", ""),
        (no_column, "dataset.csv", "split"),
        (no_table, "0_labels.nii.gz", "dataset CSV"),
        (no_image, "3.nii.gz", ""),
        (no_validation, "dataset.csv", "validation"),
        (other_grid, "0_labels.nii.gz", ""),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_datasets(command, dataset, tmp_path, verb, damage, file, remedy):
    damage(dataset)
    before = contents(tmp_path)
    code, out, err = command(verb, dataset, "-o", tmp_path / "run", "--config", "smoke")
    assert (code, out) == (2, "")
    assert file in err
    assert remedy in err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("verb", ["auto", "search"])
def test_another_run_is_kept(command, tmp_path, verb):
    """Said before any data are read."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "genotype.json").write_text("{}")
    before = contents(tmp_path)
    code, out, err = command(verb, "no.csv", "-o", run, "--config", "smoke")
    assert (code, out) == (2, "")
    assert "--resume" in err
    assert "--overwrite" in err
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "train.step=3"], "did you mean steps"),
        (["--set", "train.steps=many"], "train.steps: must be a whole number"),
        (["--set", "train.steps=0"], "train.steps: must be >= 1"),
        (["--set", "train.steps"], "must be NAME=VALUE"),
        (["--set", "train=[1"], "not a YAML value"),
        (["--config", "nothing"], "no such preset"),
        (["--config", "nothing.yaml"], "nothing.yaml: no such file"),
        (["--config", "bad.yaml"], "bad.yaml: trane: unknown name; did you mean train"),
        (["--resume", "--overwrite"], "exclude each other"),
        (["--frobnicate"], "unknown argument --frobnicate"),
    ],
)
def test_settings(command, dataset, tmp_path, monkeypatch, words, message):
    (tmp_path / "bad.yaml").write_text("trane: {steps: 3}\n")
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    code, out, err = command("auto", dataset, "-o", tmp_path / "run", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("verb", ["train", "evaluate", "report"])
def test_a_folder_without_a_run(command, tmp_path, verb):
    code, out, err = command(verb, tmp_path)
    assert (code, out) == (2, "")
    assert str(tmp_path) in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [[], ["fit"], ["--nothing"]])
def test_verbs(command, words):
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert "register" in err


def test_debugging_shows_the_traceback(images):
    words = ["register", "-f", "a.nii.gz", "-m", "b.nii.gz", "--refine", "-1"]
    program = f"from autoreg_jax.cli import main; main({words!r})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={"AUTOREG_DEBUG": "1", "JAX_PLATFORMS": "cpu", "AUTOREG_NO_CACHE": "1"},
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ConfigError" in done.stderr
