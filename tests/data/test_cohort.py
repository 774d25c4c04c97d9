"""A cohort is one split on one grid with shared class indices."""

import re

import numpy as np
import pytest

from autoreg_jax.data import (
    Cohort,
    load_cohort,
    read_dataset,
    read_image,
    read_labels,
    write_displacement,
    write_volume,
)
from autoreg_jax.errors import DataError, GeometryError
from autoreg_jax.geometry import Volume


@pytest.mark.parametrize("shape", [(4, 5, 6), (6, 5)])
def test_shapes_types_and_ranges(make_dataset, shape):
    cohort = load_cohort(read_dataset(make_dataset(shape)), "test")
    assert cohort.names == ("s2", "s3")
    assert cohort.images.shape == (2, *shape, 1)
    assert cohort.images.dtype == np.float32
    assert cohort.images.min() == 0
    assert cohort.images.max() == 1
    assert cohort.labels is not None
    assert cohort.labels.shape == (2, *shape)
    assert cohort.labels.dtype == np.int32
    assert cohort.spacing == (1.0, 2.0, 3.0)[: len(shape)]
    assert cohort.structures == ("3", "7")
    assert cohort.velocity is None


def test_label_values_become_contiguous_classes(make_dataset):
    path = make_dataset()
    dataset = read_dataset(path)
    stored = read_labels(path.parent / "0_seg.nii.gz").array
    labels = load_cohort(dataset, "train").labels[0]
    np.testing.assert_array_equal(labels, np.select([stored == 3, stored == 7], [1, 2]))


def test_all_splits_share_class_indices(make_dataset):
    path = make_dataset()
    replaced = read_labels(path.parent / "0_seg.nii.gz")
    more = np.where(replaced.array == 3, 5, replaced.array)
    write_volume(path.parent / "0_seg.nii.gz", Volume(more, replaced.affine))
    dataset = read_dataset(path)
    test = load_cohort(dataset, "test")
    assert test.label_values == (3, 5, 7)
    assert test.structures == ("3", "5", "7")
    assert set(np.unique(test.labels)) == {0, 1, 3}


def test_chosen_label_values_keep_their_order_and_drop_others(make_dataset):
    path = make_dataset()
    stored = read_labels(path.parent / "2_seg.nii.gz").array
    cohort = load_cohort(read_dataset(path), "test", label_values=(7, 900))
    assert cohort.structures == ("7", "900")
    np.testing.assert_array_equal(cohort.labels[0], stored == 7)


def test_names_of_structures(make_dataset):
    path = make_dataset()
    (path.parent / "structures.csv").write_text('value,name\n7,"cortex, left"\n9,x\n')
    cohort = load_cohort(read_dataset(path), "test")
    assert cohort.structures == ("3", "cortex, left")


def test_a_bad_names_file_is_refused(make_dataset):
    path = make_dataset()
    (path.parent / "structures.csv").write_text("id,name\n7,cortex\n")
    with pytest.raises(DataError, match=r"structures\.csv: the column 'value'"):
        load_cohort(read_dataset(path), "test")


def test_no_labels(make_dataset):
    path = make_dataset()
    lines = [line.split(",") for line in path.read_text().split()]
    path.write_text("\n".join(",".join((n, i, s)) for n, i, _, s in lines))
    dataset = read_dataset(path)
    cohort = load_cohort(dataset, "train")
    assert cohort.label_values == ()
    assert cohort.labels is None
    assert cohort.structures == ()


def test_labels_of_some_subjects_only(make_dataset):
    path = make_dataset()
    path.write_text(path.read_text().replace("1_seg.nii.gz", ""))
    dataset = read_dataset(path)
    with pytest.raises(DataError, match="'s1' has no labels"):
        load_cohort(dataset, "train")
    assert load_cohort(dataset, "test").labels is not None


def regrid(path, change):
    volume = read_image(path)
    array, affine = change(volume.array, volume.affine.copy())
    write_volume(path, Volume(array, affine))


def cropped(array, affine):
    return array[1:], affine


def shifted(array, affine):
    affine[1, 3] += 1.0
    return array, affine


def flipped(array, affine):
    return array, affine @ np.diag([-1.0, 1, 1, 1])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (cropped, r"\(3, 5, 6\)"),
        (shifted, "lies 1 mm away"),
        (flipped, "lies 6 mm away"),
    ],
)
@pytest.mark.parametrize(
    ("changed", "other", "rule"),
    [
        ("3.nii.gz", "0.nii.gz", "all images of a dataset must share one grid"),
        ("3_seg.nii.gz", "3.nii.gz", "label map must be on the grid of its image"),
    ],
)
def test_another_grid(make_dataset, change, found, changed, other, rule):
    path = make_dataset()
    regrid(path.parent / changed, lambda a, m: change(np.rint(a), m))
    with pytest.raises(GeometryError, match=rule) as caught:
        load_cohort(read_dataset(path), "test")
    message = str(caught.value)
    assert str(path.parent / changed) in message
    assert str(path.parent / other) in message
    assert re.search(found, message)


def test_rounding_of_an_affine_is_not_another_grid(make_dataset):
    path = make_dataset()

    def barely(array, affine):
        affine[:3, 3] += 1e-3
        return array, affine

    regrid(path.parent / "3.nii.gz", barely)
    load_cohort(read_dataset(path), "test")


def test_truth_of_real_subjects_is_not_known(make_dataset):
    cohort = load_cohort(read_dataset(make_dataset()), "train")
    with pytest.raises(DataError, match="'s1' is not known"):
        cohort.true_displacement(0, 1)


def test_velocity_on_another_grid(make_dataset):
    path = make_dataset()
    with pytest.raises(GeometryError, match=r"0_v\.nii\.gz has the shape"):
        _with_velocity(path, (3, 5, 6, 3))
    cohort = _with_velocity(path, (4, 5, 6, 3))
    assert cohort.velocity.shape == (2, 4, 5, 6, 3)
    assert not cohort.true_displacement(0, 1).any()


def test_truth_goes_through_the_template_in_the_right_order():
    rate, centre, shift = 0.2, 15.0, np.array([2.0, -1.0])
    points = np.moveaxis(np.indices((31, 31)), 0, -1).astype(float)
    velocity = np.stack(
        [rate * (points - centre), np.broadcast_to(shift, points.shape)]
    )
    cohort = Cohort(
        names=("stretched", "shifted"),
        images=np.zeros((2, 31, 31, 1), np.float32),
        labels=None,
        structures=(),
        affine=np.eye(4),
        spacing=(1.0, 1.0),
        velocity=velocity.astype(np.float32),
    )
    inner = (slice(8, -8), slice(8, -8))
    shrunk = np.exp(-rate) * (points + shift - centre) + centre
    truth = cohort.true_displacement(moving=0, fixed=1)
    np.testing.assert_allclose(truth[inner], (shrunk - points)[inner], atol=0.03)
    grown = np.exp(rate) * (points - centre) + centre - shift
    truth = cohort.true_displacement(moving=1, fixed=0)
    np.testing.assert_allclose(truth[inner], (grown - points)[inner], atol=0.03)


def _with_velocity(path, shape):
    for index in range(2):
        field = np.zeros(shape, np.float32)
        write_displacement(path.parent / f"{index}_v.nii.gz", field, np.eye(4))
    path.write_text(
        "subject,image,split,velocity\n"
        "a,0.nii.gz,train,0_v.nii.gz\nb,1.nii.gz,train,1_v.nii.gz\n"
    )
    return load_cohort(read_dataset(path), "train")


def test_inputs_are_not_modified(make_dataset):
    path = make_dataset()
    before = {p: p.read_bytes() for p in path.parent.iterdir()}
    load_cohort(read_dataset(path), "train")
    assert {p: p.read_bytes() for p in path.parent.iterdir()} == before
