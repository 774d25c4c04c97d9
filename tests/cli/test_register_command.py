"""`autoreg register` from files to files."""

import json

import nibabel
import numpy as np
import pytest

from autoreg_jax import inference
from autoreg_jax.data import write_volume
from autoreg_jax.errors import NonFiniteError
from autoreg_jax.geometry import Volume


@pytest.fixture
def pair(images):
    return ["-f", images / "fixed.nii.gz", "-m", images / "moving.nii.gz"]


def test_with_labels(command, images, pair, model, tmp_path):
    labels = ["--fixed-labels", images / "fixed_labels.nii.gz"]
    labels += ["--moving-labels", images / "moving_labels.nii.gz"]
    prefix = tmp_path / "results" / "first_"
    options = [*labels, "-o", prefix, "--model", model, "--affine", "none"]
    code, out, err = command("register", *pair, *options)
    assert (code, err) == (0, "")
    for word in (
        "Dice",
        "folding",
        "trust",
        "seconds",
        f"written: {prefix}moved.nii.gz",
    ):
        assert word in out
    assert "doubtful: the images still disagree in" in out
    names = sorted(path.name for path in prefix.parent.iterdir())
    assert names == [
        "first_displacement.nii.gz",
        "first_moved.nii.gz",
        "first_moved_labels.nii.gz",
        "first_summary.json",
    ]
    fixed = nibabel.load(images / "fixed.nii.gz")
    for name in names[:3]:
        image = nibabel.load(prefix.parent / name)
        np.testing.assert_allclose(image.affine, fixed.affine)
        assert image.shape[:3] == fixed.shape


def test_json_and_the_other_spellings(command, images, model, tmp_path):
    """The moving image is flipped, anisotropic and of another shape."""
    moving = nibabel.load(images / "moving.nii.gz").get_fdata(dtype=np.float32)
    affine = np.diag([-2.0, 2.0, 4.0, 1.0])
    affine[0, 3] = 2.0 * (moving.shape[0] - 1)
    volume = Volume(moving[::-1, 2:, ::2], affine)
    path = write_volume(tmp_path / "moving.nii.gz", volume)
    moved, warp = tmp_path / "moved.nii.gz", tmp_path / "warp.nii.gz"
    code, out, err = command(
        "register",
        *("--fixed", images / "fixed.nii.gz", "--moving", path, "--model", model),
        *("--moved", moved, "--warp", warp, "--affine", "none", "--json"),
    )
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["files"] == [str(moved), str(warp)]
    assert 0 <= found["folding_fraction"] <= 1
    expected = inference.register(
        images / "fixed.nii.gz", path, model=model, affine="none"
    )
    array = nibabel.load(moved).get_fdata()
    np.testing.assert_allclose(array, expected.moved.array, rtol=1e-5)
    assert nibabel.load(warp).shape == (16, 14, 12, 1, 3)


def test_an_alignment_alone_and_its_doubts(command, pair, tmp_path):
    """The two images are strangers: the command obeys and says so."""
    code, out, err = command(
        "register", *pair, "-o", tmp_path / "x_", "--affine", "rigid"
    )
    assert code == 0
    alone, warning = err.splitlines()
    assert "rigid alignment alone" in alone
    assert "--refine" in alone
    assert "warning: the rigid alignment is not trusted" in warning
    assert "alignment" in out
    assert "doubtful" not in out
    summary = json.loads((tmp_path / "x_summary.json").read_text())
    assert "trust" not in summary
    assert summary["is_aligned"]
    assert not summary["alignment"]["is_trusted"]


def test_without_a_model(command, pair, tmp_path, monkeypatch):
    """Deformable, and said so; --affine-only and --refine 0 only align."""
    options = ("-o", tmp_path / "x_", "--json")
    code, out, err = command("register", *pair, *options)
    assert code == 0
    assert json.loads(out)["refined_steps"] == 100
    assert "without a model" in err
    assert "--affine-only" in err
    for words in (["--affine-only"], ["--refine", "0"]):
        code, out, err = command("register", *pair, *options, *words)
        assert code == 0
        assert json.loads(out)["refined_steps"] == 0
        assert json.loads(out)["is_aligned"]
        assert "without a model" not in err


def test_smoothness(command, pair, model, tmp_path, monkeypatch):
    """Handed on; refused where a network or nothing at all takes it."""
    given = []

    def register(files, prefix, **options):
        given.append(options["smoothness"])
        return {"warnings": (), "is_aligned": False, "files": ()}

    out, words = ("-o", tmp_path / "x_"), ("--smoothness", "3")
    code, _, err = command("register", *pair, *out, *words, "--model", model)
    assert code == 2
    assert "was trained for one smoothness alone" in err
    code, _, err = command("register", *pair, *out, *words, "--affine-only")
    assert code == 2
    assert "no smoothness to change" in err
    monkeypatch.setattr(inference, "register_files", register)
    assert command("register", *pair, *out, *words)[0] == 0
    assert command("register", *pair, *out)[0] == 0
    assert given == [3.0, None]


def test_a_failed_run_is_not_a_wrong_command(command, pair, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise NonFiniteError("step 3: the loss became NaN; use smaller steps.")

    monkeypatch.setattr(inference, "register_files", fail)
    code, out, err = command("register", *pair, "-o", tmp_path / "x_", "--refine", 5)
    assert (code, out) == (1, "")
    assert err == "autoreg register: step 3: the loss became NaN; use smaller steps.\n"


def test_an_interruption(command, pair, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(inference, "register_files", stop)
    code, _, err = command("register", *pair, "-o", tmp_path / "x_", "--refine", 5)
    assert code == 130
    assert "interrupted" in err


def test_too_little_memory(command, pair, tmp_path):
    options = ["-o", tmp_path / "out_", "--max-memory"]
    code, out, err = command("register", *pair, *options, "10MiB")
    assert (code, out) == (2, "")
    assert "(--max-memory, max_memory)" in err
    assert "moving.nii.gz" in err
    assert command("register", *pair, *options, "much")[0] == 2
    assert not list(tmp_path.glob("out_*"))
