"""What is written to NIfTI comes back, through nibabel too, and is never half there."""

import nibabel as nib
import numpy as np
import pytest

from autoreg_jax.data import read_image, read_labels, write_displacement, write_volume
from autoreg_jax.data.images import read_vectors
from autoreg_jax.geometry import Volume

OBLIQUE = np.array(
    [[0.0, -2.0, 0.45, 10], [1.5, 0, 0, -20], [0, 0.3, 3.0, 5], [0, 0, 0, 1]]
)


def random(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "new/folder/a.nii.gz"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4)])
def test_image_round_trip(tmp_path, name, shape):
    written = Volume(random(shape), OBLIQUE)
    read = read_image(write_volume(tmp_path / name, written))
    assert read.array.dtype == np.float32
    np.testing.assert_array_equal(read.array, written.array)
    np.testing.assert_allclose(read.affine, OBLIQUE, atol=1e-6)
    assert read.path == tmp_path / name


def test_a_plane_is_a_volume_of_one_plane(tmp_path):
    path = write_volume(tmp_path / "a.nii.gz", Volume(random((3, 4)), OBLIQUE))
    assert nib.load(path).shape == (3, 4, 1)


def test_a_trailing_axis_of_one_is_dropped(tmp_path):
    array = random((3, 4, 5, 1))
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.nii.gz").array, array[..., 0]
    )


def test_scaled_integers_are_read_in_their_units(tmp_path):
    array = np.linspace(-1, 1, 60).reshape(3, 4, 5)
    image = nib.Nifti1Image(array, np.eye(4))
    image.set_data_dtype(np.int16)
    nib.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_allclose(
        read_image(tmp_path / "a.nii.gz").array, array, atol=1e-4
    )


@pytest.mark.parametrize(
    ("values", "stored"),
    [((0, 255), np.uint8), ((0, 256), np.int16), ((0, 70000), np.int32)],
)
def test_labels_round_trip_in_the_smallest_type(tmp_path, values, stored):
    labels = np.resize(np.array(values, np.int32), (3, 4, 5))
    path = write_volume(tmp_path / "a.nii.gz", Volume(labels, OBLIQUE))
    assert nib.load(path).get_data_dtype() == stored
    read = read_labels(path)
    assert read.array.dtype == np.int32
    np.testing.assert_array_equal(read.array, labels)


def test_negative_whole_numbers_are_stored_signed(tmp_path):
    array = np.full((2, 2, 2), -1, np.int32)
    path = write_volume(tmp_path / "a.nii.gz", Volume(array, OBLIQUE))
    assert read_image(path).array.min() == -1


def test_whole_numbers_in_a_floating_point_file_are_labels(tmp_path):
    array = np.array([[[0.0, 1], [2, 47]]], np.float64)
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.nii.gz").array, array)


@pytest.mark.parametrize("shape", [(3, 4, 5, 3), (3, 4, 2)])
def test_displacement_round_trip(tmp_path, shape):
    field = random(shape)
    path = write_displacement(tmp_path / "u.nii.gz", field, OBLIQUE)
    image = nib.load(path)
    assert image.ndim == 5
    assert image.header.get_intent()[0] == "displacement vector"
    np.testing.assert_allclose(image.affine, OBLIQUE, atol=1e-6)
    np.testing.assert_array_equal(np.squeeze(image.dataobj), field)
    np.testing.assert_array_equal(read_vectors(path), field)


def test_equal_content_gives_equal_bytes(tmp_path):
    volume = Volume(random((3, 4, 5)), OBLIQUE)
    one = write_volume(tmp_path / "one.nii.gz", volume).read_bytes()
    assert write_volume(tmp_path / "two.nii.gz", volume).read_bytes() == one


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: write_volume(folder / "a.png", Volume(random((2, 2)), OBLIQUE)),
        lambda folder: write_volume(folder / "a.nii", Volume(random((2,)), OBLIQUE)),
        lambda folder: write_displacement(
            folder / "a.nii", random((4, 4, 4, 2)), OBLIQUE
        ),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, write):
    with pytest.raises(ValueError, match=r"must end|axes|shape"):
        write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_spacing_is_the_length_of_a_step_along_each_axis():
    volume = Volume(random((2, 3, 4)), OBLIQUE)
    expected = (1.5, np.hypot(2, 0.3), np.hypot(0.45, 3))
    np.testing.assert_allclose(volume.spacing, expected)
    assert len(Volume(random((2, 3)), OBLIQUE).spacing) == 2
