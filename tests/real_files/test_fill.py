"""What lies outside of an image: 0, a value, or the darkest one of a CT."""

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from world import from_itk, smooth, to_itk

from autoreg_jax import inference
from autoreg_jax.cli import main
from autoreg_jax.data import read_image, write_volume
from autoreg_jax.errors import ConfigError, ImageWarning
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.transforms import Transform

GRID = Grid((14, 12, 10), np.diag([2.0, 2, 2, 1]))
IMAGES = {
    "mr": (100 * smooth(GRID.shape, 1) + 7).astype(np.float32),
    "ct": np.rint(1500 * smooth(GRID.shape, 1) - 1000).astype(np.int16),
    "z": (8 * smooth(GRID.shape, 1) - 3).astype(np.float32),
}


@pytest.fixture
def folder(tmp_path):
    """Images, labels, and a shift by 4 voxels."""
    for name, array in IMAGES.items():
        image = nibabel.Nifti1Image(array, GRID.affine)
        nibabel.save(image, tmp_path / f"{name}.nii.gz")
    labels = np.full(GRID.shape, 3, np.int32)
    write_volume(tmp_path / "labels.nii.gz", Volume(labels, GRID.affine))
    shift = np.eye(4) + np.eye(4, k=3) * 8
    Transform.affine(shift).write(tmp_path / "t.tfm")
    (tmp_path / "p.csv").write_text("x,y,z\n1,2,3\n")
    return tmp_path


def apply(folder, name, *words, output="o.nii.gz"):
    """Exit code of `autoreg apply` with the shift."""
    words = ["-i", folder / name, "-t", folder / "t.tfm", *words]
    words = ["apply", *words, "-r", folder / "mr.nii.gz", "-o", folder / output]
    return main([str(word) for word in words])


def outside(folder):
    """Values of the last four planes, which lie outside, and the others."""
    array = read_image(folder / "o.nii.gz").array
    return array[-4:], array[:-4]


@pytest.mark.parametrize(
    ("name", "fill", "value"),
    [
        ("ct", "auto", -1000),
        ("ct", "-1024", -1024),
        ("ct", "0", 0),
        ("z", "auto", -3),
        ("mr", "auto", 0),
        ("mr", "7.5", 7.5),
        ("mr", None, 0),
    ],
)
def test_the_value_outside(folder, capsys, name, fill, value):
    """Inside nothing changes; ITK gives the same with its default pixel value."""
    words = [] if fill is None else ["--fill", fill]
    assert apply(folder, f"{name}.nii.gz", *words) == 0
    assert capsys.readouterr().err == ""
    found, inside = outside(folder)
    np.testing.assert_array_equal(found, np.float32(value))
    np.testing.assert_array_equal(inside, IMAGES[name][4:].astype(np.float32))
    shift = sitk.TranslationTransform(3, (-8.0, 0.0, 0.0))
    image = to_itk(IMAGES[name].astype(np.float32), GRID)
    expected = sitk.Resample(image, image, shift, sitk.sitkLinear, float(value))
    whole = read_image(folder / "o.nii.gz").array
    np.testing.assert_allclose(whole, from_itk(expected), atol=1e-3)


@pytest.mark.parametrize(("name", "low"), [("ct", "-1000"), ("z", "-3")])
def test_water_outside_is_not_silent(folder, capsys, name, low):
    assert apply(folder, f"{name}.nii.gz") == 0
    said = capsys.readouterr().err
    assert said.startswith("autoreg apply: warning: 29 % of the voxels lie outside of ")
    assert f"became 0, but its values begin at {low};" in said
    np.testing.assert_array_equal(outside(folder)[0], 0)


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("ct.nii.gz", ("--fill", "air"), "--fill"),
        ("ct.nii.gz", ("--fill", "nan"), 'must be a finite number or "auto"'),
        ("labels.nii.gz", ("-n", "label", "--fill", "4"), "fill is for images"),
        ("labels.nii.gz", ("-n", "nearest", "--fill", "auto"), "fill is for images"),
    ],
)
def test_other_values_are_refused(folder, capsys, name, words, message):
    try:
        code = apply(folder, name, *words)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert message in capsys.readouterr().err
    assert not (folder / "o.nii.gz").exists()


def test_points_have_no_outside(folder, capsys):
    assert apply(folder, "p.csv", "--fill", "auto", output="q.csv") == 2
    assert "fill is for images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fill", "value"), [("auto", -900), (-1024.0, -1024), (0, 0), (-2, -2)]
)
def test_a_registration_takes_it(fill, value, tmp_path):
    """The moving CT ends 4 planes earlier, at 17 mm; its darkest voxel has -900 HU."""
    fixed = Volume(IMAGES["ct"].astype(np.float32), GRID.affine)
    moving = Volume(np.maximum(fixed.array[:-4], -900), GRID.affine)
    options = {"affine": "none", "refine": 1, "fill": fill}
    result = inference.register(fixed, moving, **options)
    np.testing.assert_array_equal(result.moved.array[-1], value)
    assert result.moved.array[:8].max() > 100
    path = result.save(moved=tmp_path / "moved.nii.gz")[0]
    np.testing.assert_array_equal(read_image(path).array, result.moved.array)
    # Other images of the subject have a value of their own.
    other = Volume(np.ones(moving.shape, np.float32), GRID.affine)
    np.testing.assert_array_equal(result.apply(other).array[-1], 0)
    np.testing.assert_array_equal(result.apply(other, fill=5).array[-1], 5)


def test_the_command_takes_it_and_warns_without(folder, capsys):
    short = Volume(IMAGES["ct"][:-4].astype(np.float32), GRID.affine)
    write_volume(folder / "short.nii.gz", short)
    words = ["register", "-f", folder / "ct.nii.gz", "-m", folder / "short.nii.gz"]
    words += ["--affine", "none", "--refine", 1, "-o", folder / "o_"]
    assert main([*map(str, words), "--fill", "auto"]) == 0
    assert "warning" not in capsys.readouterr().err
    moved = read_image(folder / "o_moved.nii.gz").array
    np.testing.assert_array_equal(moved[-1], short.array.min())
    assert main(list(map(str, words))) == 0
    assert "became 0, but its values begin at" in capsys.readouterr().err
    np.testing.assert_array_equal(read_image(folder / "o_moved.nii.gz").array[-1], 0)


def test_python_warns_and_refuses():
    fixed = Volume(IMAGES["ct"].astype(np.float32), GRID.affine)
    moving = Volume(fixed.array[:-4], GRID.affine)
    result = inference.register(fixed, moving, affine="none", refine=1)
    with pytest.warns(ImageWarning, match=r"2\d % of the voxels lie outside"):
        assert result.moved.array[-1].max() == 0
    with pytest.raises(ConfigError, match="fill: must be a finite number"):
        inference.register(fixed, moving, affine="none", refine=1, fill="air")
