"""A neuroscientist: a BIDS folder with stroke patients, whose lesions must not pull."""

import shutil

import nibabel
import numpy as np
import pytest

from autoreg_jax.data import load_cohorts, read_dataset, read_image
from autoreg_jax.transforms import Transform

PATIENTS = ("04", "05")
# Where the infarct is, mm, and how far it reaches.
CENTRE, RADIUS = np.array([30.0, -10.0]), 16.0


def lesion_of(grid):
    return np.linalg.norm(grid.points()[..., :2] - CENTRE, axis=-1) < RADIUS


def paint(path, values):
    """Give the voxels of a lesion other grey values."""
    image = nibabel.load(path)
    array = np.squeeze(np.asarray(image.dataobj)).copy()
    where = lesion_of(read_image(path).grid)
    array[where] = np.max(array) * values(where.sum())
    shape = image.shape
    nibabel.Nifti1Image(array.reshape(shape), image.affine).to_filename(path)


def dark(count):
    return np.zeros(count)


def stripes(count):
    return 0.5 * (np.arange(count) % 3)


@pytest.fixture
def bids(simulate, tmp_path):
    """Six subjects, two of them with a lesion and its mask, as fMRIPrep wants them."""
    people, top = simulate(6), tmp_path / "bids"
    for number in range(6):
        name = f"sub-{number + 1:02}"
        anatomy, labels = (x / name / "anat" for x in (top, top / "derivatives/manual"))
        anatomy.mkdir(parents=True)
        labels.mkdir(parents=True)
        scan = anatomy / f"{name}_T1w.nii.gz"
        shutil.copy(people / "images" / f"sim00{number}.nii.gz", scan)
        shutil.copy(
            people / "labels" / f"sim00{number}.nii.gz",
            labels / f"{name}_desc-aseg_dseg.nii.gz",
        )
        if name[4:] in PATIENTS:
            grid, header = read_image(scan).grid, nibabel.load(scan)
            mask = lesion_of(grid).astype(np.uint8).reshape(header.shape)
            paint(scan, dark)
            nibabel.Nifti1Image(mask, header.affine).to_filename(
                anatomy / f"{name}_T1w_label-lesion_roi.nii.gz"
            )
    return top


def test_the_plan_knows_bids_and_takes_no_lesion_for_a_brain(command, bids):
    code, out, errors = command("plan", bids)
    assert code == 0, errors
    words = " ".join((out + errors).replace("#", " ").split())
    assert "BIDS: 6 scans, 6 with a label map" in words
    assert "2 scans have a lesion mask, such as sub-04_T1w_label-lesion_roi" in words
    # BIDS also allows this name, in which nothing says that it is no brain mask.
    for name in PATIENTS:
        folder = bids / f"sub-{name}" / "anat"
        (old,) = folder.glob("*_roi.nii.gz")
        old.rename(folder / f"sub-{name}_label-lesion_mask.nii.gz")
    dataset = read_dataset(bids)
    assert [s.name for s in dataset.subjects if s.mask] == []
    assert [s.person for s in dataset.subjects if s.lesion] == [
        f"sub-{name}" for name in PATIENTS
    ]
    assert "such as sub-04_label-lesion_mask" in " ".join(dataset.notes)


def test_a_training_does_not_see_what_lies_under_a_lesion_mask(bids):
    def images():
        cohorts = load_cohorts(read_dataset(bids), ("train", "validation", "test"))
        return np.concatenate([cohort.images for cohort in cohorts])

    before = images()
    for name in PATIENTS:
        paint(bids / f"sub-{name}/anat/sub-{name}_T1w.nii.gz", stripes)
    np.testing.assert_array_equal(images(), before)
    assert np.isfinite(before).all()


def test_what_lies_under_a_lesion_mask_does_not_pull(
    command, bids, simulate, to_template, tmp_path
):
    fixed = bids / "sub-01/anat/sub-01_T1w.nii.gz"
    patient = bids / "sub-04/anat/sub-04_T1w.nii.gz"
    lesion = patient.with_name("sub-04_T1w_label-lesion_roi.nii.gz")
    pair = ("-f", fixed, "-m", patient, "--affine", "none", "--refine", 60)
    cost = ("--moving-lesion", lesion)
    found = {}
    for name, values, words in (
        ("pulls", dark, ()),
        ("masked", dark, cost),
        ("other", stripes, cost),
    ):
        paint(patient, values)
        out = tmp_path / f"{name}_"
        code, _, errors = command("register", *pair, *words, "-o", out)
        assert code == 0, errors
        found[name] = Transform.read(f"{out}displacement.nii.gz")
    # Whatever is there: not one voxel moves otherwise.
    grid = read_image(fixed).grid
    fields = [found[name].displacement_on(grid) for name in ("masked", "other")]
    np.testing.assert_array_equal(*fields)
    # Around the lesion the true place is found, to which the infarct leads nobody.
    people = simulate(6)
    truth = to_template(people, "sim003").inverse() @ to_template(people, "sim000")
    points = grid.points()
    away = np.linalg.norm(truth(points)[..., :2] - CENTRE, axis=-1)
    near = (away < RADIUS + 16) & (read_image(fixed).array > 0)
    error = {
        name: np.linalg.norm(one(points) - truth(points), axis=-1)[near].mean()
        for name, one in found.items()
    }
    print(*(f"{name}: {one:.2f} mm around the lesion" for name, one in error.items()))
    assert error["masked"] < 0.6 * error["pulls"]
    assert error["masked"] < 4.0  # one voxel
    # The moved scan is the one that was given, with its lesion.
    moved = [read_image(tmp_path / f"{n}_moved.nii.gz").array for n in found]
    inside = away < RADIUS - 4
    assert moved[1][inside].mean() < 5
    assert moved[2][inside].mean() > 50


def test_a_lesion_mask_that_looks_like_something_else(command, bids, tmp_path):
    fixed = bids / "sub-01/anat/sub-01_T1w.nii.gz"
    image = nibabel.load(fixed)
    everything = np.ones(image.shape, np.uint8)
    for name, array in (("all", everything), ("most", everything.copy())):
        if name == "most":
            array[:12] = 0
        path = tmp_path / f"{name}.nii.gz"
        nibabel.Nifti1Image(array, image.affine).to_filename(path)
    pair = ("-f", fixed, "-m", bids / "sub-02/anat/sub-02_T1w.nii.gz")
    words = ("--affine", "none", "--refine", 1, "-o", tmp_path / "x_")
    lesion = ("--fixed-lesion", tmp_path / "all.nii.gz")
    code, _, errors = command("register", *pair, *words, *lesion)
    assert code == 2
    assert "nothing is left to compare" in " ".join(errors.split())
    lesion = ("--moving-lesion", tmp_path / "most.nii.gz")
    code, _, errors = command("register", *pair, *words, *lesion)
    assert code == 0
    words_of_it = " ".join(errors.split())
    assert "covers 75 % of the image; a lesion mask is not 0 where" in words_of_it
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(f"fixed,moving,fixed_lesion\n{pair[1]},{pair[3]},all.nii.gz\n")
    code, out, errors = command("register", "--pairs", pairs, *words[:-2], "-o", "x/")
    assert code == 1
    assert "nothing is left to compare" in " ".join((out + errors).split())
