"""`autoreg register` with landmarks: measured, and on request a guide."""

import json

import numpy as np
import pytest
from scipy import ndimage

from autoreg_jax.data import write_volume
from autoreg_jax.geometry import Volume

SHAPE, SPACING = (24, 20), 2.0


@pytest.fixture
def pair(tmp_path):
    """A frame with nothing in it, and landmarks of both images inside."""
    frame = 1 - ndimage.binary_erosion(np.ones(SHAPE), iterations=3).astype("f4")
    path = write_volume(
        tmp_path / "frame.nii.gz", Volume(frame, np.diag([SPACING, SPACING, 1, 1]))
    )
    for name, shift in (("fixed", 0), ("moving", 6)):
        rows = [f"{x + shift},{y}" for x in (18, 24) for y in (16, 22)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["x,y", *rows]))
    words = ["-f", path, "-m", path, "--affine", "none", "--refine", "40"]
    landmarks = [
        *("--fixed-landmarks", tmp_path / "fixed.csv"),
        *("--moving-landmarks", tmp_path / "moving.csv"),
    ]
    return words, landmarks


def test_landmarks_are_measured_and_guide_on_request(command, pair, tmp_path):
    words, landmarks = pair
    found = []
    for more in ([], ["--guide", "landmarks"]):
        prefix = ["-o", tmp_path / f"{len(more)}_", "--json"]
        code, out, _ = command("register", *words, *landmarks, *prefix, *more)
        assert code == 0
        summary = json.loads(out)
        assert summary["landmark_error_before"] == pytest.approx(6)
        found.append(summary["landmark_error"])
    assert found[0] == pytest.approx(6, abs=0.2)
    assert found[1] < 2
    table = tmp_path / "pairs.csv"
    table.write_text(
        "fixed,moving,fixed_landmarks,moving_landmarks\n"
        "frame.nii.gz,frame.nii.gz,fixed.csv,moving.csv\n"
    )
    many = ["--pairs", table, *words[4:], "-o", f"{tmp_path / 'many'}/"]
    code, out, _ = command("register", *many, "--guide", "landmarks")
    assert code == 0
    assert "landmarks before, mm" in out
    (path,) = (tmp_path / "many").glob("*_summary.json")
    assert json.loads(path.read_text())["landmark_error"] == found[1]


def test_a_guide_needs_what_it_names(command, pair, tmp_path):
    words, landmarks = pair
    for more, said in (
        (landmarks[:2], "--fixed-landmarks and --moving-landmarks, both"),
        (["--guide", "landmarks"], "the pair has no landmarks of both images"),
        ([*landmarks, "--guide", "labels"], "the pair has no labels of both images"),
        ([*landmarks, "--guide", "lines"], "invalid choice"),
    ):
        code, _, err = command("register", *words, *more, "-o", tmp_path / "x_")
        assert code == 2
        assert said in err
    table = tmp_path / "pairs.csv"
    table.write_text(
        "fixed,moving,fixed_landmarks\nframe.nii.gz,frame.nii.gz,fixed.csv\n"
    )
    code, _, err = command("register", "--pairs", table, "-o", tmp_path / "x_")
    assert code == 2
    assert "line 2: landmarks of one image only" in err
    assert not list(tmp_path.glob("x_*"))
