"""`autoreg register` on many pairs: files, table, one failure among them."""

import json

import nibabel
import numpy as np
import pytest

from autoreg_jax import inference
from autoreg_jax.data import read_image, write_volume
from autoreg_jax.geometry import Volume
from autoreg_jax.transforms import Grid, Transform


@pytest.fixture
def table(images):
    """Three pairs, of which the last one cannot be registered."""
    far = np.eye(4)
    far[:3, 3] = 900
    write_volume(images / "far.nii.gz", Volume(np.ones((4, 4, 4), np.float32), far))
    path = images / "pairs.csv"
    path.write_text(
        "fixed,moving,fixed_labels,moving_labels\n"
        "fixed.nii.gz,moving.nii.gz,fixed_labels.nii.gz,moving_labels.nii.gz\n"
        "moving.nii.gz,fixed.nii.gz,,\n"
        "fixed.nii.gz,far.nii.gz,,\n"
    )
    return path


def test_a_table_of_pairs(command, table, model, tmp_path):
    out = f"{tmp_path / 'many'}/"
    words = ["register", "--pairs", table, "-o", out, "--model", model]
    words += ["--affine", "none"]
    code, text, _ = command(*words, "--inverse", "--jacobian", "--grid", "--report")
    assert code == 1
    assert "2 of 3 pairs" in text
    assert "mean" in text
    assert "failed: far_to_fixed: " in text
    assert "shows nothing" in text
    names = {path.name for path in (tmp_path / "many").iterdir()}
    assert names == {
        "moving_to_fixed_moved.nii.gz",
        "moving_to_fixed_moved_labels.nii.gz",
        "moving_to_fixed_displacement.nii.gz",
        "moving_to_fixed_summary.json",
        "fixed_to_moving_moved.nii.gz",
        "fixed_to_moving_displacement.nii.gz",
        "fixed_to_moving_summary.json",
        *(
            f"{pair}_{name}"
            for pair in ("moving_to_fixed", "fixed_to_moving")
            for name in (
                "inverse_displacement.nii.gz",
                "inverse_moved.nii.gz",
                "jacobian.nii.gz",
                "grid.nii.gz",
                "report.html",
            )
        ),
    }
    # Each result is that of the pair alone.
    images = table.parent
    alone = inference.register(
        images / "fixed.nii.gz", images / "moving.nii.gz", model=model, affine="none"
    )
    moved = nibabel.load(f"{out}moving_to_fixed_moved.nii.gz").get_fdata()
    np.testing.assert_allclose(moved, alone.moved.array, rtol=1e-5)
    code, text, _ = command(*words, "--json")
    pairs = json.loads(text)["pairs"]
    assert code == 1
    assert set(pairs) == {"moving_to_fixed", "fixed_to_moving", "far_to_fixed"}
    assert 0 <= pairs["moving_to_fixed"]["dice"] <= 1
    assert "dice" not in pairs["fixed_to_moving"]
    assert set(pairs["far_to_fixed"]) == {"error"}


def test_the_distance_to_a_known_displacement(command, images, tmp_path):
    """Without a registration it is the length of the true displacement."""
    fixed = read_image(images / "fixed.nii.gz")
    vectors = np.zeros((*fixed.shape, 3), np.float32)
    vectors[..., 0] = 1.5
    vectors[:2] *= 2  # where the second line does not look
    grid = Grid(fixed.shape, fixed.affine)
    Transform.displacement(vectors, grid).write(images / "truth.h5")
    mask = np.ones(fixed.shape, np.int32)
    mask[:2] = 0
    write_volume(images / "mask.nii.gz", Volume(mask, fixed.affine))
    (images / "known.csv").write_text(
        "fixed,moving,displacement,fixed_mask\n"
        "fixed.nii.gz,moving.nii.gz,truth.h5,\n"
        "fixed.nii.gz,moving_labels.nii.gz,truth.h5,mask.nii.gz\n"
    )
    words = ["register", "--pairs", images / "known.csv", "-o", tmp_path / "x_"]
    words += ["--affine", "none", "--refine", 1, "--similarity", "ncc"]
    code, text, _ = command(*words, "--json")
    assert code == 0
    first, second = json.loads(text)["pairs"].values()
    share = 2 / fixed.shape[0]
    before = 1.5 * (1 - share) + 3 * share
    assert first["displacement_error_before"] == pytest.approx(before, rel=1e-5)
    assert second["displacement_error_before"] == pytest.approx(1.5, rel=1e-5)
    assert 0 < first["displacement_error"] != first["displacement_error_before"]
    small = Volume(np.ones((4, 4, 4), np.int32), fixed.affine)
    write_volume(images / "mask.nii.gz", small)
    code, text, _ = command(*words)
    assert code == 1
    assert "error before, mm" in text


def test_a_folder_and_an_atlas(command, images, model, tmp_path):
    folder = tmp_path / "movings"
    folder.mkdir()
    (images / "moving.nii.gz").rename(folder / "one.nii.gz")
    words = ["-f", images / "fixed.nii.gz", "-m", folder, "-o", tmp_path / "out_"]
    code, text, _ = command("register", *words, "--model", model)
    assert code == 0
    assert "one_to_fixed" in text
    assert (tmp_path / "out_one_to_fixed_moved.nii.gz").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "(-f, -m), or --pairs"),
        (("-f", "{}/fixed.nii.gz"), "(-f, -m), or --pairs"),
        (("-f", "{}"), "(-f, -m)"),
        (("--pairs", "{}/pairs.csv", "-f", "{}/fixed.nii.gz"), "--pairs excludes"),
        (("--pairs", "{}/pairs.csv", "--moved", "x.nii.gz"), "--moved is for one pair"),
        (("--pairs", "{}/none.csv"), "none.csv"),
    ],
)
def test_commands_without_a_meaning(command, table, tmp_path, words, message):
    words = [word.format(table.parent) for word in words]
    code, out, err = command("register", *words, "-o", tmp_path / "x_")
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_masks_reach_the_registration(command, images, tmp_path, monkeypatch):
    given = {}

    def record(pair, prefix, **options):
        given.update(vars(pair))
        raise KeyboardInterrupt

    monkeypatch.setattr(inference, "register_files", record)
    pair = ("-f", images / "fixed.nii.gz", "-m", images / "moving.nii.gz")
    masks = ("--fixed-mask", images / "fixed_labels.nii.gz")
    command("register", *pair, *masks, "-o", tmp_path / "x_", "--refine", 5)
    assert given["fixed_mask"] == images / "fixed_labels.nii.gz"
    assert given["moving_mask"] is None
