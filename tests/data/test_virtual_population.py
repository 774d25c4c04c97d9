"""The simulated subjects look like brains, and their true deformations are true."""

import sys

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from autoreg_jax.data import (
    evaluation_pairs,
    load_cohort,
    read_dataset,
    write_population,
)
from autoreg_jax.data.simulation._contrast import CONTRASTS, noise_free
from autoreg_jax.data.simulation._flow import exponential
from autoreg_jax.data.simulation._parcels import STRUCTURES
from autoreg_jax.data.simulation._population import _points_mm, _split, coarse_grid
from autoreg_jax.data.simulation._template import load_template
from autoreg_jax.errors import DataError
from autoreg_jax.spatial import jacobian_determinant


@pytest.fixture(
    scope="module",
    params=["population_2d", pytest.param("population_3d", marks=pytest.mark.slow)],
)
def cohort(request):
    return load_cohort(read_dataset(request.getfixturevalue(request.param)), "train")


@pytest.fixture(scope="module", params=["population_2d", "population_3d"])
def any_cohort(request):
    return load_cohort(read_dataset(request.getfixturevalue(request.param)), "train")


def pull(array, displacement):
    """array(x + u(x)), without the code under test."""
    coordinates = np.indices(array.shape) + np.moveaxis(displacement, -1, 0)
    return map_coordinates(array, coordinates, output=np.float64, order=1)


def mean_dice(one, other, count):
    sizes = [
        (2 * ((one == k) & (other == k)).sum(), (one == k).sum() + (other == k).sum())
        for k in range(1, count + 1)
    ]
    return np.mean([overlap / total for overlap, total in sizes])


def pairs(cohort):
    return evaluation_pairs(len(cohort.names), 2)


def test_truth_brings_the_labels_together(cohort):
    count = len(cohort.structures)
    for moving, fixed in pairs(cohort):
        truth = cohort.true_displacement(moving, fixed)
        one_hot = [pull(cohort.labels[moving] == k, truth) for k in range(count + 1)]
        moved = np.argmax(one_hot, 0)
        before = mean_dice(cohort.labels[moving], cohort.labels[fixed], count)
        after = mean_dice(moved, cohort.labels[fixed], count)
        # Voxels of 4 mm cut the cortex into pieces that no interpolation restores.
        assert after > (0.92 if moved.ndim == 2 else 0.88)
        assert before < after - 0.15


def test_truth_brings_the_noise_free_anatomies_together(cohort):
    dimensions = len(cohort.spacing)
    template = load_template(cohort.spacing[0])
    grid = coarse_grid(cohort.spacing[0], dimensions)
    for moving, fixed in pairs(cohort):
        images = [
            noise_free(
                template.at(_points_mm(grid, exponential(cohort.velocity[i]))),
                CONTRASTS["t1"],
            )
            for i in (moving, fixed)
        ]
        truth = cohort.true_displacement(moving, fixed)
        before = np.abs(images[0] - images[1]).mean()
        after = np.abs(pull(images[0], truth) - images[1]).mean()
        assert after < (0.2 if dimensions == 2 else 0.25) * before


def test_truth_there_and_back_is_the_identity(cohort):
    for moving, fixed in pairs(cohort):
        there = cohort.true_displacement(moving, fixed).astype(float)
        back = cohort.true_displacement(fixed, moving).astype(float)
        returned = there + np.stack(
            [pull(back[..., k], there) for k in range(back.shape[-1])], -1
        )
        brain = cohort.images[fixed, ..., 0] > 0
        error = np.linalg.norm(returned, axis=-1)[brain]
        assert error.mean() < 0.03
        assert error.max() < 0.4


def test_truth_from_a_subject_to_itself_is_the_identity(any_cohort):
    error = np.linalg.norm(any_cohort.true_displacement(0, 0), axis=-1)
    assert error.mean() < 0.02


def test_truth_is_of_anatomical_size_and_does_not_fold(any_cohort):
    cohort = any_cohort
    for moving, fixed in pairs(cohort):
        truth = cohort.true_displacement(moving, fixed)
        assert truth.dtype == np.float32
        assert jacobian_determinant(truth[None]).min() > 0
        brain = cohort.images[fixed, ..., 0] > 0
        length = np.linalg.norm(truth * cohort.spacing, axis=-1)[brain]
        assert 2.5 < length.mean() < 8
        assert length.max() < 22


def test_no_subject_folds(any_cohort):
    for velocity in any_cohort.velocity:
        for sign in (1, -1):
            flow = exponential(sign * velocity)
            assert jacobian_determinant(flow[None]).min() > 0
        border = [np.take(velocity, (0, -1), axis) for axis in range(velocity.ndim - 1)]
        assert not any(side.any() for side in border)


def test_a_brain_has_all_structures_on_their_sides(population_3d):
    cohort = load_cohort(read_dataset(population_3d), "train")
    assert cohort.images.shape[1:] == (48, 56, 48, 1)
    assert cohort.structures == STRUCTURES
    litres = np.prod(cohort.spacing) * 1e-6
    for image, labels in zip(cohort.images, cohort.labels, strict=True):
        assert set(np.unique(labels)) == set(range(len(STRUCTURES) + 1))
        assert 1.2 < np.count_nonzero(image) * litres < 2.5
        x = cohort.affine[0, 0] * np.indices(labels.shape)[0] + cohort.affine[0, 3]
        for value, name in enumerate(STRUCTURES, 1):
            if name.startswith("left"):
                assert x[labels == value].mean() < -5
                assert x[labels == value + 1].mean() > 5


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_contrasts(population_2d, split):
    dataset = read_dataset(population_2d)
    cohort = load_cohort(dataset, split)
    assert cohort.images.shape[1:] == (96, 112, 1)
    fluid, white = (
        cohort.structures.index(name) + 1
        for name in ("ventricles", "left white matter")
    )
    for index, subject in enumerate(dataset.split(split)):
        image, labels = cohort.images[index, ..., 0], cohort.labels[index]
        is_brighter = image[labels == fluid].mean() > image[labels == white].mean()
        assert subject.modality == ("t2" if is_brighter else "t1")
    modalities = [subject.modality for subject in dataset.subjects]
    assert modalities == ["t1", "t2"] * 4


def contents(csv_file):
    files = sorted(p for p in csv_file.parent.rglob("*") if p.is_file())
    return {str(p.relative_to(csv_file.parent)): p.read_bytes() for p in files}


def test_a_pure_function_of_the_seed(tmp_path):
    pytest.importorskip("nilearn", reason="the template comes with nilearn")
    options = {"spacing": 4.0, "dimensions": 2, "contrast": "t2"}

    def make(name, num_subjects=6, seed=0):
        folder = tmp_path / name
        return contents(
            write_population(folder, num_subjects=num_subjects, seed=seed, **options)
        )

    one, again, other, longer = (
        make("one"),
        make("again"),
        make("other", seed=1),
        make("longer", num_subjects=7),
    )
    assert one == again
    assert one.keys() == other.keys()
    files = [name for name in one if name.endswith(".nii.gz")]
    assert len(files) == 18
    assert all(one[name] != other[name] for name in files)
    assert all(one[name] == longer[name] for name in files)


@pytest.mark.parametrize(
    ("count", "sizes"), [(6, (2, 2, 2)), (7, (3, 2, 2)), (40, (24, 8, 8))]
)
def test_sizes_of_the_splits(count, sizes):
    splits = [_split(index, count) for index in range(count)]
    names = ("train", "validation", "test")
    assert tuple(splits.count(name) for name in names) == sizes
    assert splits == sorted(splits, key=names.index)


@pytest.mark.parametrize(
    "options",
    [
        {"num_subjects": 5},
        {"spacing": 1.0},
        {"spacing": 9.0},
        {"dimensions": 4},
        {"contrast": "ct"},
        {"seed": -1},
    ],
)
def test_bad_arguments(tmp_path, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        write_population(tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_without_nilearn(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nilearn", None)
    with pytest.raises(DataError, match=r'pip install "autoreg_jax\[demo\]"'):
        write_population(tmp_path)


@pytest.mark.parametrize("spacing", [2.0, 3.0, 4.0, 6.0, 8.0])
def test_every_grid_can_be_halved_three_times_and_holds_the_brain(spacing):
    grid = coarse_grid(spacing, 3)
    assert all(size % 8 == 0 for size in grid.shape)
    ends = _points_mm(grid, np.zeros((*grid.shape, 3))).reshape(3, -1)
    assert (ends.min(1) < (-82, -116, -80)).all()
    assert (ends.max(1) > (82, 82, 90)).all()
