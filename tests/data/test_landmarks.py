"""Landmarks of a data set: from millimetres to voxels, and what is refused."""

import re

import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax.config import PairsConfig
from autoreg_jax.data import load_cohort, read_dataset, write_volume
from autoreg_jax.errors import DataError
from autoreg_jax.geometry import Volume
from autoreg_jax.metrics import target_registration_error
from autoreg_jax.workflows._pairs import roles_of

POINTS = {"tip": (1, 2, 3), "base": (3.5, 0, 5)}


def add_landmarks(path, affine, tables):
    """Give each subject of a data set a file of points, voxels to millimetres."""
    lines = path.read_text().splitlines()
    lines[0] += ",landmarks"
    for index, table in enumerate(tables, start=1):
        rows = ["name,x,y,z"]
        for name, voxel in table.items():
            x, y, z, _ = affine @ [*voxel, 1]
            rows.append(f"{name},{x},{y},{z}")
        (path.parent / f"{index}.csv").write_text("\n".join(rows) + "\n")
        lines[index] += f",{index}.csv"
    for index in range(len(tables) + 1, len(lines)):
        lines[index] += ","
    path.write_text("\n".join(lines) + "\n")


def test_millimetres_become_voxels_whatever_the_axes(make_dataset):
    path = make_dataset()
    turned = np.array([[0, -2.0, 0, 7], [3.0, 0, 0, -4], [0, 0, 1.5, 2], [0, 0, 0, 1]])
    for number, image in enumerate(path.parent.glob("*.nii.gz")):
        is_label = "seg" in image.name
        array = np.ones((4, 5, 6), np.int32 if is_label else np.float32)
        array[0] = 0
        array[1, 0, 0] += number  # no image is there twice
        write_volume(image, Volume(array, turned))
    tables = [POINTS, {name: POINTS[name] for name in reversed(POINTS)}]
    add_landmarks(path, turned, tables)
    dataset = read_dataset(path)
    cohort = load_cohort(dataset, "train")
    assert cohort.landmarks is not None
    assert cohort.landmarks.dtype == np.float32
    wanted = np.array(list(POINTS.values()))
    for found in cohort.landmarks:  # by name, not by line
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert load_cohort(dataset, "test").landmarks is None


def test_in_a_plane_they_have_two_coordinates(make_dataset):
    path = make_dataset(shape=(4, 5))
    tables = [{"tip": (1, 2, 40)}, {"tip": (3, 4, 0)}]
    add_landmarks(path, np.diag([1.0, 2.0, 3.0, 1.0]), tables)
    cohort = load_cohort(read_dataset(path), "train")
    np.testing.assert_allclose(cohort.landmarks, [[[1, 2]], [[3, 4]]], atol=1e-6)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("name,x,y,z\ntip,1,2,3\n", "'base' is either in this file or in"),
        ("name,x,y,z\ntip,1,2,3\nbase,1,far,3\n", "must be numbers"),
        ("name,x,y,z\ntip,1,2,3\nbase,1,99,3\n", "outside of the image"),
        ("name,x,y,z\ntip,1,2,3\nbase,1,2,3\ntip,1,2,3\n", "appears twice"),
        ("name,x,y\ntip,1,2\n", "the column 'z' is missing"),
    ],
)
def test_bad_files_are_named(make_dataset, table, says):
    path = make_dataset()
    add_landmarks(path, np.diag([1.0, 2.0, 3.0, 1.0]), [POINTS, POINTS])
    (path.parent / "2.csv").write_text(table)
    with pytest.raises(DataError, match=rf"2\.csv.*{re.escape(says)}"):
        load_cohort(read_dataset(path), "train")


def test_some_subjects_without_landmarks_are_refused(make_dataset):
    path = make_dataset()
    add_landmarks(path, np.diag([1.0, 2.0, 3.0, 1.0]), [POINTS])
    with pytest.raises(DataError, match="'s1' has no landmarks"):
        load_cohort(read_dataset(path), "train")


def test_lines_correspond_where_there_are_no_names(make_dataset):
    path = make_dataset()
    add_landmarks(path, np.diag([1.0, 2.0, 3.0, 1.0]), [POINTS, POINTS])
    named = load_cohort(read_dataset(path), "train").landmarks
    for number in (1, 2):
        (path.parent / f"{number}.csv").write_text("x,y,z\n1,4,9\n3.5,0,15\n")
    np.testing.assert_array_equal(
        load_cohort(read_dataset(path), "train").landmarks, named
    )


def test_landmarks_of_each_person_are_their_own(make_dataset):
    """Fewer of one, and never compared with those of another."""
    path = make_dataset(splits=("train",) * 4)
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    other = {name: POINTS[name] for name in reversed(POINTS)}
    add_landmarks(path, affine, [POINTS, {"a": (2, 2, 2)}, other, {"a": (0, 1, 2)}])
    head, *rows = path.read_text().splitlines()
    people = [f"{row},{who}" for row, who in zip(rows, "abab", strict=True)]
    path.write_text("\n".join([f"{head},person", *people]))
    cohort = load_cohort(read_dataset(path), "train")
    np.testing.assert_array_equal(cohort.landmarks[0], cohort.landmarks[2])
    np.testing.assert_allclose(cohort.landmarks[3], [[0, 1, 2], [np.nan] * 3])
    within = PairsConfig(within="person")
    assert roles_of(cohort, within).groups == cohort.landmark_groups == (0, 1, 0, 1)
    with pytest.raises(DataError, match=r"within a person alone; set pairs\.within"):
        roles_of(cohort, PairsConfig())
    # Those of the person that the pair shows, in millimetres along the axes.
    still = np.zeros((1, 4, 5, 6, 3), np.float32)
    points = cohort.landmarks[1:2], cohort.landmarks[3:4]
    found = quick(target_registration_error)(still, *points, np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(found, [[8**0.5, np.nan]], rtol=1e-6)
    # The same by a list, which says what belongs together.
    path.write_text("\n".join([head, *rows]))
    with pytest.raises(DataError, match="all subjects of a split need the same"):
        load_cohort(read_dataset(path), "train")
    pairs = path.parent / "pairs.csv"
    pairs.write_text("fixed,moving\ns1,s3\ns0,s2\n")
    listed = load_cohort(read_dataset(path, pairs=pairs), "train")
    np.testing.assert_array_equal(listed.landmarks, cohort.landmarks)
    assert roles_of(listed, PairsConfig()).pairs == ((2, 0), (3, 1))
    pairs.write_text("fixed,moving\ns1,s3\ns0,s2\ns0,s1\n")
    with pytest.raises(DataError, match=r"'a' is .* all subjects of a split"):
        load_cohort(read_dataset(path, pairs=pairs), "train")
