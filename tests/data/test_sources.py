"""Every form of a dataset becomes the same list of subjects."""

import json

import numpy as np
import pytest

from autoreg_jax.data import read_dataset
from autoreg_jax.data.datasets._splits import choose_splits
from autoreg_jax.errors import DataError


@pytest.fixture
def touch(tmp_path):
    def touch(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return touch


def named(dataset):
    return {s.name: s for s in dataset.subjects}


PEOPLE = [f"p{i:02d}" for i in range(10)]


def test_a_folder_of_scans_with_endings(touch, tmp_path):
    touch(*(f"{p}_t1.nii.gz" for p in PEOPLE), *(f"{p}_seg.nii.gz" for p in PEOPLE))
    touch("p03_mask.nii.gz", ".hidden.nii.gz", "readme.txt")
    dataset = read_dataset(tmp_path)
    subjects = named(dataset)
    assert list(subjects) == [f"{p}_t1" for p in PEOPLE]
    assert subjects["p03_t1"].labels == tmp_path / "p03_seg.nii.gz"
    assert subjects["p03_t1"].mask == tmp_path / "p03_mask.nii.gz"
    assert subjects["p04_t1"].mask is None
    assert subjects["p04_t1"].modality == "t1"
    assert dataset.path == dataset.folder == tmp_path
    assert "10 images, 10 label maps and 1 masks" in dataset.notes[0]
    assert "6 of 10 subjects train, 2 validate, 2 test" in dataset.notes[1]


@pytest.mark.parametrize("folders", [("images", "labels"), ("imagesTr", "labelsTr")])
def test_a_folder_of_scans_with_folders(touch, tmp_path, folders):
    touch(*(f"{folder}/{p}.nii.gz" for p in PEOPLE for folder in folders))
    for p, subject in zip(PEOPLE, read_dataset(tmp_path).subjects, strict=True):
        assert subject.image == tmp_path / folders[0] / f"{p}.nii.gz"
        assert subject.labels == tmp_path / folders[1] / f"{p}.nii.gz"


def test_folders_may_name_the_splits(touch, tmp_path):
    for split, count in (("train", 3), ("val", 2), ("test", 2)):
        touch(*(f"{split}/images/{split}{i}.nii.gz" for i in range(count)))
        touch(*(f"{split}/labels/{split}{i}.nii.gz" for i in range(count)))
    dataset = read_dataset(tmp_path)
    assert [len(dataset.split(s)) for s in ("train", "validation", "test")] == [3, 2, 2]
    assert len(dataset.notes) == 1


def test_one_label_map_of_a_person_with_two_contrasts(touch, tmp_path):
    touch(*(f"{p}_{c}.nii.gz" for p in PEOPLE for c in ("T1w", "T2w", "labels")))
    dataset = read_dataset(tmp_path)
    assert len(dataset.subjects) == 20
    for subject in dataset.subjects:
        assert subject.labels.name == f"{subject.name[:3]}_labels.nii.gz"
    by_person = {}
    for subject in dataset.subjects:
        by_person.setdefault(subject.name[:3], set()).add(subject.split)
    assert all(len(splits) == 1 for splits in by_person.values())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "contains no images"),
        (["a_seg.nii.gz"], "contains no images"),
        (["a.nii.gz", "b_seg.nii.gz"], "'b', which does not exist; rename"),
        (
            ["a.nii.gz", "a_seg.nii.gz", "a_labels.nii.gz"],
            "already has the labels .*; remove one",
        ),
        (["a.nii.gz", "b.nii.gz"], "images of 2 subjects and no splits"),
        ([f"{f}/z/a{i}.nii" for f in "xy" for i in range(6)], "'a0' appears 2 times"),
    ],
    ids=["empty", "labels only", "no image", "two maps", "too few", "twice"],
)
def test_a_folder_that_is_none(touch, tmp_path, names, message):
    touch(*names)
    with pytest.raises(DataError, match=message) as caught:
        read_dataset(tmp_path)
    assert str(tmp_path) in str(caught.value)


def bids(touch, sessions=("",)):
    for i in range(6):
        for ses in sessions:
            folder = f"sub-{i:02d}/" + (f"{ses}/" if ses else "")
            name = f"sub-{i:02d}_" + (f"{ses}_" if ses else "")
            touch(f"{folder}anat/{name}T1w.nii.gz", f"{folder}anat/{name}T2w.nii.gz")
            touch(f"{folder}anat/{name}T1w.json", f"{folder}func/{name}bold.nii.gz")
            touch(f"derivatives/seg/{folder}anat/{name}dseg.nii.gz")
            touch(f"derivatives/seg/{folder}anat/{name}space-MNI152_dseg.nii.gz")
    return touch("dataset_description.json", "participants.tsv")


def test_the_sessions_of_one_person_alone_are_of_one_person(touch):
    """As a dataset to evaluate: within a person they are pairs."""
    scans = [f"sub-7/ses-{n}/anat/sub-7_ses-{n}_T1w.nii.gz" for n in (1, 2, 3)]
    folder = touch("dataset_description.json", *scans)
    found = read_dataset(folder, held_out=True)
    assert [s.person for s in found.subjects] == ["sub-7"] * 3


@pytest.mark.parametrize("sessions", [("",), ("ses-1", "ses-2")])
def test_bids(touch, tmp_path, sessions):
    dataset = read_dataset(bids(touch, sessions))
    assert len(dataset.subjects) == 12 * len(sessions)
    for s in dataset.subjects:
        prefix, modality = s.name.rsplit("_", 1)
        assert (s.modality, s.person) == (modality, s.name[:6])
        assert s.image.name == f"{s.name}.nii.gz"
        assert s.labels.name == f"{prefix}_dseg.nii.gz"
    splits = {(s.name[:6], s.split) for s in dataset.subjects}
    assert len(splits) == 6
    assert sorted(split for _, split in splits) == sorted(
        2 * ["train", "validation", "test"]
    )


def test_bids_prefers_the_label_map_of_the_contrast(touch, tmp_path):
    bids(touch)
    touch("derivatives/seg/sub-03/anat/sub-03_space-T2w_dseg.nii.gz")
    subjects = named(read_dataset(tmp_path))
    assert "space-T2w" in subjects["sub-03_T2w"].labels.name
    assert subjects["sub-03_T1w"].labels.name == "sub-03_dseg.nii.gz"
    touch("derivatives/other/sub-04/anat/sub-04_desc-x_dseg.nii.gz")
    dataset = read_dataset(tmp_path)
    assert named(dataset)["sub-04_T1w"].labels.name == "sub-04_dseg.nii.gz"
    assert any("not desc-x of other" in note for note in dataset.notes)


# As in the files of the challenge: AbdomenCTCT, OASIS, NLST, ThoraxCBCT.
def learn2reg(touch, **changes):
    training = [
        {
            "image": f"./imagesTr/L_{i:04d}_{k:04d}.nii.gz",
            "label": f"./labelsTr/L_{i:04d}_{k:04d}.nii.gz",
            "mask": f"./masksTr/L_{i:04d}_{k:04d}.nii.gz",
            "keypoints": f"./keypointsTr/L_{i:04d}_{k:04d}.csv",
        }
        for i in range(1, 11)
        for k in (0, 1)
    ]
    for entry in training:
        touch(entry["image"], entry["label"], entry["mask"])
    pairs = [
        {
            "fixed": f"./imagesTr/L_{i:04d}_0000.nii.gz",
            "moving": f"./imagesTr/L_{i:04d}_0001.nii.gz",
        }
        for i in (9, 10)
    ]
    content = {
        "name": "L",
        "pairings": "paired",
        "modality": {"0": "MR", "1": "CT"},
        "numTraining": len(training),
        "training": training,
        "test": [],
        "registration_val": pairs,
    } | changes
    folder = touch("x")
    (folder / "L_dataset.json").write_text(json.dumps(content))
    return folder / "L_dataset.json"


@pytest.mark.parametrize("by_folder", [False, True])
def test_learn2reg(touch, tmp_path, by_folder):
    path = learn2reg(touch)
    dataset = read_dataset(path.parent if by_folder else path)
    assert dataset.path == path
    subjects = named(dataset)
    assert len(subjects) == 20
    first = subjects["L_0001_0001"]
    assert (first.modality, subjects["L_0001_0000"].modality) == ("CT", "MR")
    assert first.labels.samefile(tmp_path / "labelsTr/L_0001_0001.nii.gz")
    assert first.mask.samefile(tmp_path / "masksTr/L_0001_0001.nii.gz")
    valid = {s.name for s in dataset.split("validation")}
    assert valid == {f"L_{i:04d}_{k:04d}" for i in (9, 10) for k in (0, 1)}
    assert len(dataset.split("test")) == 4
    assert any("Key points" in note for note in dataset.notes)
    assert any("6 of 8 subjects train, 2 test" in note for note in dataset.notes)


def test_learn2reg_with_test_images(touch):
    test = ["./imagesTs/L_0021_0000.nii.gz", {"image": "./imagesTs/L_0022_0000.nii.gz"}]
    touch("imagesTs/L_0021_0000.nii.gz", "imagesTs/L_0022_0000.nii.gz")
    dataset = read_dataset(learn2reg(touch, test=test))
    assert [s.name for s in dataset.split("test")] == ["L_0021_0000", "L_0022_0000"]
    assert len(dataset.split("train")) == 16


def test_learn2reg_without_pairs_or_modalities(touch):
    path = learn2reg(touch, registration_val=[], modality={"0": "CT"})
    dataset = read_dataset(path)
    assert {s.modality for s in dataset.subjects} == {"CT"}
    assert "6 of 10 subjects train" in dataset.notes[-1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": []}, "'training' is empty"),
        ({"training": [{"label": "x"}]}, "names no image"),
        ({"training": [{"image": "./no.nii.gz"}]}, r"no\.nii\.gz does not exist"),
    ],
    ids=["empty", "no image", "missing"],
)
def test_a_bad_description(touch, changes, message):
    path = learn2reg(touch, **changes)
    with pytest.raises(DataError, match=message) as caught:
        read_dataset(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not a JSON file"), ("[]", "not a Learn2Reg, Decathlon or nnU-Net")],
)
def test_another_json(tmp_path, text, message):
    path = tmp_path / "dataset.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_dataset(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.csv", "does not exist"), ("scan.nii.gz", "not a dataset")],
)
def test_what_is_no_dataset(touch, tmp_path, name, message):
    touch("scan.nii.gz")
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path / name)


def test_unicode_and_spaces(touch, tmp_path):
    folder = "Müller & Söhne, 脳 data"
    touch(*(f"{folder}/Patient {i} é_t1.nii.gz" for i in range(6)))
    touch(*(f"{folder}/Patient {i} é_seg.nii.gz" for i in range(6)))
    subjects = read_dataset(tmp_path / folder).subjects
    assert subjects[0].name == "Patient 0 é_t1"
    assert all(s.labels is not None for s in subjects)


def test_splits_depend_on_the_names_alone(tmp_path):
    people = [f"s{i}" for i in range(37)]
    assigned, note = choose_splits(tmp_path, people)
    splits = [split for split, _ in assigned]
    order = np.random.default_rng(0).permutation(37)
    again, _ = choose_splits(tmp_path, [people[i] for i in order])
    assert again == [assigned[i] for i in order]
    assert [splits.count(s) for s in ("train", "validation", "test")] == [23, 7, 7]
    assert "23 of 37" in note


def test_what_is_held_out_needs_no_splits(touch, tmp_path):
    touch("a.nii.gz", "b.nii.gz", "train/c.nii.gz", "train/d.nii.gz")
    found = read_dataset(tmp_path, held_out=True)
    splits = {subject.name: subject.split for subject in found.subjects}
    assert splits == {"a": "test", "b": "test", "c": "train", "d": "train"}


def test_three_people_with_two_scans_each_are_enough(tmp_path):
    assigned, _ = choose_splits(tmp_path, list("aabbcc"))
    assert sorted(split for split, _ in assigned) == sorted(
        2 * ["train", "validation", "test"]
    )
    with pytest.raises(DataError, match="at least 6 are needed"):
        choose_splits(tmp_path, list("aabbc"))
