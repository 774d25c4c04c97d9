"""Images of nibabel, SimpleITK, ANTs and NumPy, read as the file of the same image."""

import nibabel
import numpy as np
import pytest

from autoreg_jax.data import (
    as_given,
    read_image,
    read_labels,
    read_mask,
    write_volume,
)
from autoreg_jax.errors import DataError, GeometryError, ImageWarning
from autoreg_jax.geometry import Volume

SHAPE = (5, 6, 7)


def rotated(spacing, seed=0):
    axes, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return nibabel.affines.from_matvec(axes * spacing, [30.0, -4.0, 5.0])


@pytest.fixture
def stored(tmp_path):
    array = np.random.default_rng(1).random(SHAPE).astype(np.float32)
    affine = rotated([2.0, 3.0, 1.5])
    return write_volume(tmp_path / "image.nii.gz", Volume(array, affine))


class AntsImage:
    """What there is of an ANTsImage: its voxels in order, and its place in LPS."""

    def __init__(self, array, spacing, origin, direction):
        self.array, self.shape = array, array.shape
        self.spacing, self.origin, self.direction = spacing, origin, direction

    def numpy(self):
        return self.array

    def new_image_like(self, array):
        return type(self)(array, self.spacing, self.origin, self.direction)


AntsImage.__module__ = "ants.core.ants_image"


def given(path, kind):
    """The image of a file as a package would hold it."""
    if kind == "nibabel":
        return nibabel.load(path)
    if kind == "array":
        image = nibabel.load(path)
        return np.asarray(image.dataobj), image.affine
    sitk = pytest.importorskip("SimpleITK", reason="pip install autoreg_jax[formats]")
    image = sitk.ReadImage(str(path))
    if kind == "SimpleITK":
        return image
    array = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    direction = np.reshape(image.GetDirection(), (3, 3))
    return AntsImage(array, image.GetSpacing(), image.GetOrigin(), direction)


@pytest.mark.parametrize("kind", ["nibabel", "array", "SimpleITK", "ants"])
def test_an_image_in_memory_is_that_of_its_file(stored, kind):
    wanted, image = read_image(stored), given(stored, kind)
    found = read_image(image)
    np.testing.assert_array_equal(found.array, wanted.array)
    np.testing.assert_allclose(found.affine, wanted.affine, atol=1e-5)
    assert (found.path == stored) == (kind == "nibabel")
    # And back, on the same grid, without a change of what was given.
    back = as_given(wanted.array + 1, image)
    assert type(back) is type(image)
    again = read_image(back)
    np.testing.assert_array_equal(again.array, wanted.array + 1)
    np.testing.assert_allclose(again.affine, wanted.affine, atol=1e-5)
    np.testing.assert_array_equal(read_image(image).array, wanted.array)


@pytest.mark.parametrize("kind", ["nibabel", "SimpleITK"])
def test_one_plane_keeps_its_axes(tmp_path, kind):
    array = np.arange(30, dtype=np.float32).reshape(5, 6)
    path = write_volume(tmp_path / "plane.nii.gz", Volume(array, np.diag([2, 3, 1, 1])))
    image = given(path, kind)
    assert read_image(image).shape == (5, 6)
    assert read_image(as_given(array, image)).shape == (5, 6)


def test_a_plane_of_simpleitk_has_two_axes():
    sitk = pytest.importorskip("SimpleITK", reason="pip install autoreg_jax[formats]")
    image = sitk.GetImageFromArray(np.arange(30, dtype=np.float32).reshape(6, 5))
    image.SetSpacing([2.0, 3.0])
    image.SetOrigin([7.0, 8.0])
    found = read_image(image)
    assert found.shape == (5, 6)
    np.testing.assert_allclose(found.grid.to_world(np.array([1, 1])), [-9, -11, 0])


def test_labels_and_masks_in_memory_follow_the_rules_of_files():
    eye = np.eye(4)
    labels = np.zeros(SHAPE, np.uint8)
    labels[1] = 3
    assert read_labels((labels, eye)).array.dtype == np.int32
    np.testing.assert_array_equal(read_mask((labels == 3, eye)).array, labels == 3)
    with pytest.raises(DataError, match=r"the array: .* not whole numbers"):
        read_labels((labels + 0.5, eye))
    with pytest.raises(DataError, match="the mask is empty"):
        read_mask((0 * labels, eye))
    with pytest.raises(DataError, match="NaN or infinite"):
        read_image((np.full(SHAPE, np.nan), eye))


def test_lengths_of_nibabel_that_are_no_millimetres(stored):
    image = nibabel.load(stored)
    image.header.set_xyzt_units("micron")
    with pytest.warns(ImageWarning, match="micrometres|micron"):
        found = read_image(image)
    assert found.spacing == pytest.approx((0.002, 0.003, 0.0015), rel=1e-5)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.zeros(SHAPE), DataError, "without an affine"),
        (None, DataError, "got NoneType"),
        (3.0, DataError, "got float"),
        ((np.zeros(SHAPE), np.eye(2)), DataError, "got tuple"),
        ((np.zeros(SHAPE), np.zeros((4, 4))), GeometryError, "invertible"),
        ((np.zeros((2, 2), complex), np.eye(4)), DataError, "complex"),
        ((np.zeros((0, 2, 2)), np.eye(4)), DataError, "no voxels"),
    ],
)
def test_what_is_no_image_is_refused(image, error, message):
    with pytest.raises(error, match=message):
        read_image(image)


def test_a_package_is_known_by_its_name_alone():
    """A class of ours that is called like theirs is none of theirs."""
    other = type("Image", (), {"__module__": "antspy"})()
    with pytest.raises(DataError, match="got Image"):
        read_image(other)
