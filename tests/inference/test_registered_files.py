"""What a registration writes, and what it refuses to write over."""

import json

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from autoreg_jax import inference
from autoreg_jax.data import write_volume
from autoreg_jax.errors import ConfigError
from autoreg_jax.geometry import Volume


@pytest.fixture
def result(pair, model, tmp_path):
    for name, volume in zip(("fixed", "moving"), pair, strict=True):
        write_volume(tmp_path / f"{name}.nii.gz", volume)
    paths = (tmp_path / "fixed.nii.gz", tmp_path / "moving.nii.gz")
    return inference.register(*paths, model=model, affine="none")


def test_files_can_be_read_by_others(result, tmp_path):
    files = result.save(tmp_path / "out_")
    names = ["out_moved.nii.gz", "out_displacement.nii.gz", "out_summary.json"]
    assert [path.name for path in files] == names
    moved = nibabel.load(files[0])
    np.testing.assert_allclose(moved.affine, result.fixed.affine, atol=1e-5)
    np.testing.assert_allclose(moved.get_fdata(), result.moved.array, rtol=1e-6)
    field = nibabel.load(files[1])
    assert field.shape == (16, 14, 12, 1, 3)
    assert field.header.get_intent()[0] == "displacement vector"
    np.testing.assert_allclose(field.affine, result.fixed.affine, atol=1e-5)
    found = field.get_fdata()[:, :, :, 0]
    np.testing.assert_allclose(found, result.displacement_mm, atol=1e-6)
    summary = json.loads(files[2].read_text())
    assert summary["folding_fraction"] == result.folding_fraction
    assert summary["fixed"].endswith("fixed.nii.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*names, "fixed.nii.gz", "moving.nii.gz"]
    )


def test_a_folder_and_single_names(result, tmp_path):
    (file, *_) = result.save(f"{tmp_path}/new/")
    assert file == tmp_path / "new" / "moved.nii.gz"
    assert result.save(tmp_path / "new")[0] == file
    (alone,) = result.save(displacement=tmp_path / "field.nii")
    assert nibabel.load(alone).shape == (16, 14, 12, 1, 3)
    labels = Volume(np.ones((16, 14, 12), np.int32), result.moving.affine)
    files = result.save(f"{tmp_path}/new/", labels=labels)
    assert files[2].name == "moved_labels.nii.gz"
    assert nibabel.load(files[2]).get_data_dtype() == np.uint8


def test_a_plane_is_written_as_a_volume_of_one_plane(plane_model, tmp_path):
    rng = np.random.default_rng(1)
    images = [
        Volume(rng.random((18, 16)).astype(np.float32), np.diag([2.0, 2, 1, 1]))
        for _ in range(2)
    ]
    result = inference.register(*images, model=plane_model, affine="none")
    moved, field, _ = result.save(tmp_path / "plane_")
    assert nibabel.load(moved).shape == (18, 16, 1)
    assert nibabel.load(field).shape == (18, 16, 1, 1, 3)


def test_an_interrupted_write_leaves_the_old_file(result, tmp_path, monkeypatch):
    old = result.save(tmp_path / "out_")[0].read_bytes()
    before = sorted(tmp_path.iterdir())

    def fail(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(KeyboardInterrupt):
        result.save(tmp_path / "out_")
    assert (tmp_path / "out_moved.nii.gz").read_bytes() == old
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give an output prefix"),
        ({"moved": "moved.png"}, r"must end in \.nii\.gz"),
        ({"moved": "moved.h5"}, r"must end in \.nii\.gz"),
        ({"displacement": "u.mat"}, r"a displacement must end in \.tfm"),
        ({"moved": "moving.nii.gz"}, "is an input"),
        ({"prefix": "x_", "displacement": "x_moved.nii.gz"}, "is an input"),
        ({"moved": "folder.nii.gz"}, "is a folder"),
    ],
)
def test_names_that_cannot_be(result, tmp_path, monkeypatch, options, message):
    (tmp_path / "folder.nii.gz").mkdir()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=message):
        result.save(**options)
    assert sorted(tmp_path.rglob("*")) == before


def test_itk_moves_the_image_as_we_do(result, tmp_path):
    _, field, _ = result.save(tmp_path / "out_")
    (whole,) = result.save(displacement=tmp_path / "t.h5")
    moving = sitk.ReadImage(str(tmp_path / "moving.nii.gz"))
    fixed = sitk.ReadImage(str(tmp_path / "fixed.nii.gz"))
    vectors = sitk.ReadImage(str(field), sitk.sitkVectorFloat64)
    for transform in (
        sitk.DisplacementFieldTransform(vectors),
        sitk.ReadTransform(str(whole)),
    ):
        moved = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform)).T
        expected = result.moved.array
        np.testing.assert_allclose(moved, expected, atol=1e-3 * np.ptp(expected))
