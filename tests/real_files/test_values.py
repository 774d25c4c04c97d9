"""Values of label maps and masks: whole numbers exactly, and where a mask is inside."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from autoreg_jax import data
from autoreg_jax.cli import main
from autoreg_jax.data import read_image, read_labels, read_mask, write_volume
from autoreg_jax.errors import DataError, ImageWarning
from autoreg_jax.geometry import Volume
from autoreg_jax.transforms import Transform

# Ids of the Allen mouse atlas; float32 would turn them into neighbours.
ALLEN = [0, 312782574, 312782575, 614454277]


def save(path, array, slope=None, inter=0.0):
    """A label map as stored, with a scaling in the header."""
    image = nib.Nifti1Image(array, np.eye(4), dtype=array.dtype)
    if slope is not None:
        content = bytearray(image.to_bytes())
        content[112:120] = np.array([slope, inter], "<f4").tobytes()
        path.write_bytes(bytes(content))
    else:
        nib.save(image, path)
    return path


def cube(values, dtype):
    array = np.zeros((3, 4, 5), dtype)
    array.reshape(-1)[: len(values)] = values
    return array


@pytest.mark.parametrize(
    "dtype", [np.int32, np.uint32, np.int64, np.uint64, np.float64]
)
def test_ids_of_an_atlas_are_exact(tmp_path, dtype):
    path = save(tmp_path / "a.nii.gz", cube(ALLEN, dtype))
    labels = read_labels(path)
    assert labels.array.dtype == np.int32
    assert np.unique(labels.array).tolist() == ALLEN
    back = read_labels(write_volume(tmp_path / "b.nii.gz", labels))
    np.testing.assert_array_equal(back.array, labels.array)


def test_the_largest_id_is_that_of_int32(tmp_path):
    limit = 2**31 - 1
    path = save(tmp_path / "a.nii", cube([limit], np.uint32))
    assert read_labels(path).array.max() == limit


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(2**31, np.uint32), (2**63 - 1, np.int64), (2**64 - 1, np.uint64)],
)
def test_ids_that_do_not_fit_are_refused_with_the_id_and_the_limit(
    tmp_path, value, dtype
):
    path = save(tmp_path / "a.nii", cube([value], dtype))
    with pytest.raises(DataError, match=rf"a\.nii: 1 .*{value}.*above 2147483647"):
        read_labels(path)


@pytest.mark.parametrize("value", [2.0**31, 3e9, 1e30])
def test_large_numbers_of_float32_do_not_overflow(tmp_path, value):
    path = save(tmp_path / "a.nii", cube([value], np.float32))
    with pytest.raises(DataError, match="above 2147483647"):
        read_labels(path)


def test_ids_that_float32_has_rounded_are_said(tmp_path):
    path = save(tmp_path / "a.nii", cube(ALLEN, np.float32))
    with pytest.warns(ImageWarning, match="stored as float32.*only up to 16777216"):
        read_labels(path)


@pytest.mark.parametrize("interpolation", ["nearest", "label"])
def test_ids_pass_a_transform_unchanged(tmp_path, interpolation):
    path = save(tmp_path / "a.nii.gz", np.repeat(cube(ALLEN, np.uint32), 2, 0))
    shift = np.eye(4)
    shift[0, 3] = 0.3
    moved = Transform.affine(shift).write(tmp_path / "t.tfm")
    words = ["apply", "-i", path, "-r", path, "-t", moved, "-n", interpolation, "-o"]
    assert main([*map(str, words), str(tmp_path / "o.nii.gz")]) == 0
    found = np.unique(np.asarray(nib.load(tmp_path / "o.nii.gz").dataobj))
    assert found.tolist() == ALLEN


def test_a_cohort_numbers_the_ids_of_an_atlas(tmp_path):
    lines = ["subject,image,labels,split"]
    rng = np.random.default_rng(0)
    for name, split in zip("abcd", ("train", "train", "test", "test"), strict=True):
        image = rng.random((4, 5, 6)).astype(np.float32)
        labels = rng.choice(np.array(ALLEN, np.uint32), (4, 5, 6))
        save(tmp_path / f"{name}.nii.gz", image)
        save(tmp_path / f"{name}_seg.nii.gz", labels)
        lines.append(f"{name},{name}.nii.gz,{name}_seg.nii.gz,{split}")
    (tmp_path / "dataset.csv").write_text("\n".join(lines))
    dataset = data.read_dataset(tmp_path / "dataset.csv")
    cohort = data.load_cohort(dataset, "train")
    stored = read_labels(tmp_path / "a_seg.nii.gz").array
    np.testing.assert_array_equal(cohort.labels[0], np.searchsorted(ALLEN, stored))
    chosen = data.load_cohort(dataset, "train", label_values=(ALLEN[3], ALLEN[1]))
    expected = np.select([stored == ALLEN[3], stored == ALLEN[1]], [1, 2], 0)
    np.testing.assert_array_equal(chosen.labels[0], expected)


@pytest.mark.parametrize(
    ("slope", "inter"), [(1 / 255, 0), (0.1, 0), (1 / 3, -1), (0.7, 0.3)]
)
def test_whole_numbers_but_for_a_scaling_are_labels(tmp_path, slope, inter):
    wanted = np.arange(0, 60) % 8
    stored = np.rint((wanted - inter) / slope).astype(np.int16).reshape(3, 4, 5)
    path = save(tmp_path / "a.nii", stored, slope, inter)
    exact = np.abs((wanted - inter) / slope - stored.ravel()).max() < 1e-6
    if exact:
        with pytest.warns(ImageWarning, match="whole numbers but for rounding"):
            labels = read_labels(path)
        np.testing.assert_array_equal(labels.array.ravel(), wanted)
    else:
        with pytest.raises(DataError, match="not whole numbers"):
            read_labels(path)


@pytest.mark.parametrize("slope", [0.0, np.nan, 1.0])
def test_a_scaling_of_nothing_leaves_ids_as_they_are(tmp_path, slope):
    path = save(tmp_path / "a.nii", cube(ALLEN, np.int32), slope)
    assert np.unique(read_labels(path).array).tolist() == ALLEN


def test_a_scaling_by_a_whole_number_is_applied_exactly(tmp_path):
    path = save(tmp_path / "a.nii", cube([0, 1, 300000007], np.int32), 2.0, 1.0)
    assert np.unique(read_labels(path).array).tolist() == [1, 3, 600000015]


def test_nearly_whole_numbers_of_float32_are_rounded_with_a_word(tmp_path):
    array = cube([2.9999995, 3, 46.99999, 1e-7, 3.0000457763671875], np.float32)
    path = save(tmp_path / "a.nii.gz", array)
    with pytest.warns(ImageWarning, match=r"4 voxels are whole.*e\.g\. 2\.9999995"):
        labels = read_labels(path)
    assert np.unique(labels.array).tolist() == [0, 3, 47]


def test_the_message_shows_the_digits_that_differ(tmp_path):
    path = save(tmp_path / "a.nii.gz", cube([2.9995, 3], np.float32))
    with pytest.raises(DataError, match=r"1 voxels .*2\.9995\), they are not whole"):
        read_labels(path)


def test_an_image_of_tiny_numbers_is_no_empty_label_map(tmp_path):
    path = save(tmp_path / "a.nii.gz", cube([1e-5, 2e-5], np.float32))
    with pytest.raises(DataError, match=r"2 voxels .*not whole numbers"):
        read_labels(path)


def test_negative_labels_are_refused_by_value(tmp_path):
    path = save(tmp_path / "a.nii.gz", cube([-1, 3], np.int8))
    with pytest.raises(DataError, match=r"1 voxels .*-1\), they are negative"):
        read_labels(path)


def test_a_mask_of_whole_numbers_is_inside_where_it_is_not_0(tmp_path):
    for dtype in (np.uint8, np.int16, np.uint32, np.float32):
        path = save(tmp_path / "a.nii.gz", cube([0, 1, 0, 47], dtype))
        inside = read_mask(path).array.ravel()
        assert inside.nonzero()[0].tolist() == [1, 3]
        assert set(inside.tolist()) == {0, 1}


@pytest.mark.parametrize("scaled", [False, True])
def test_a_mask_of_probabilities_is_inside_from_one_half(tmp_path, scaled):
    path = tmp_path / "a.nii.gz"
    if scaled:
        path = save(tmp_path / "a.nii", cube([0, 124, 128, 255], np.uint8), 1 / 255)
    else:
        save(path, cube([0, 0.49, 0.5, 1], np.float32))
    with pytest.warns(ImageWarning, match=r"at least 0\.5, 3\.33 % of the voxels"):
        inside = read_mask(path).array.ravel()
    assert inside.nonzero()[0].tolist() == [2, 3]


def test_a_mask_of_255_by_a_scaling_is_whole(tmp_path):
    path = save(tmp_path / "a.nii", cube([0, 255], np.uint8), 1 / 255)
    assert read_mask(path).array.sum() == 1


@pytest.mark.parametrize("values", [[0.2, 1.5], [-0.5, 1]])
def test_an_image_is_no_mask(tmp_path, values):
    path = save(tmp_path / "a.nii.gz", cube(values, np.float32))
    with pytest.raises(DataError, match="is no mask"):
        read_mask(path)


def test_probabilities_below_one_half_are_an_empty_mask(tmp_path):
    path = save(tmp_path / "a.nii.gz", cube([0.1, 0.4], np.float32))
    with (
        pytest.warns(ImageWarning, match="probabilities from 0 to 0.4"),
        pytest.raises(DataError, match="mask is empty"),
    ):
        read_mask(path)


@pytest.mark.parametrize("read", [read_mask, read_labels])
def test_nan_in_a_mask_or_label_map_is_refused(tmp_path, read):
    path = save(tmp_path / "a.nii.gz", cube([1, np.nan], np.float32))
    with pytest.raises(DataError, match="1 of 60 voxels are NaN"):
        read(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_grey_values_are_those_of_nibabel(tmp_path, dtype):
    array = (np.arange(60) * 3 % 250).reshape(3, 4, 5).astype(dtype)
    path = save(tmp_path / "a.nii", array, 0.25, -7)
    expected = nib.load(path).get_fdata()
    np.testing.assert_allclose(read_image(path).array, expected, rtol=1e-6)


def test_labels_of_int32_are_stored_whole(tmp_path):
    volume = Volume(cube(ALLEN, np.int32), np.eye(4))
    content = gzip.decompress(write_volume(tmp_path / "a.nii.gz", volume).read_bytes())
    assert np.frombuffer(content[352:], "<i4")[1] in (0, ALLEN[1])
    assert nib.load(tmp_path / "a.nii.gz").get_data_dtype() == np.int32
