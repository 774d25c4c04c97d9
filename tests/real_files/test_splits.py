"""What is for test is never trained on, and no image is in two splits."""

import gzip
import json
import os
import shutil
import warnings

import nibabel
import numpy as np
import pytest

from autoreg_jax.cli import main
from autoreg_jax.data import read_dataset
from autoreg_jax.errors import DataError, ImageWarning

AFFINE = np.diag([4.0, 4, 4, 1])


def image(path, seed, dtype=np.float32):
    """A small image that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng(seed).integers(0, 900, (12, 11, 10))
    nibabel.save(nibabel.Nifti1Image(array.astype(dtype), AFFINE, dtype=dtype), path)
    return path


def splits(dataset):
    return {subject.name: subject.split for subject in dataset.subjects}


def description(folder, **content):
    """A `dataset.json` with the images that its lists name."""
    names = set()
    for key in ("training", "validation", "test"):
        for entry in content.get(key, []):
            single = entry if isinstance(entry, dict) else {"image": entry}
            names.update(single.values())
    for key in ("registration_val", "registration_test"):
        names.update(name for pair in content.get(key, []) for name in pair.values())
    for seed, name in enumerate(sorted(names)):
        image(folder / name, seed)
    path = folder / "dataset.json"
    path.write_text(json.dumps({"name": "L", "modality": {"0": "MR"}, **content}))
    return path


def listed(folder, numbers):
    return [{"image": f"./{folder}/L_{number:04d}_0000.nii.gz"} for number in numbers]


def pairs(folder, *numbers):
    return [
        {
            side: f"./{folder}/L_{number:04d}_0000.nii.gz"
            for side, number in zip(("fixed", "moving"), pair, strict=True)
        }
        for pair in numbers
    ]


@pytest.mark.parametrize(
    ("lists", "test", "validation"),
    [
        # Decathlon and nnU-Net 1: names alone.
        ({"test": [f"./imagesTs/L_{k:04d}_0000.nii.gz" for k in (21, 22)]}, 2, 2),
        ({"test": listed("imagesTs", range(21, 29))}, 8, 2),
        # Learn2Reg since 2021.
        (
            {
                "test": listed("imagesTs", (21, 22)),
                "registration_val": pairs("imagesTr", (9, 10)),
            },
            2,
            2,
        ),
        # LUMIR: validation images are in no other list.
        (
            {
                "registration_val": pairs("imagesVal", (31, 32), (32, 33)),
                "registration_test": pairs("imagesTs", (41, 42)),
            },
            2,
            3,
        ),
        ({"test": pairs("imagesTs", (41, 42), (43, 44))}, 4, 2),
        (
            {
                "validation": listed("imagesVal", (31, 32)),
                "test": listed("imagesTs", (21, 22)),
            },
            2,
            2,
        ),
    ],
    ids=[
        "names",
        "entries",
        "pairs",
        "both as pairs",
        "test as pairs",
        "both as lists",
    ],
)
def test_a_list_is_what_it_says(tmp_path, lists, test, validation):
    training = listed("imagesTr", range(1, 11))
    dataset = read_dataset(description(tmp_path, training=training, **lists))
    assert len(dataset.split("test")) == test
    assert len(dataset.split("validation")) == validation
    for subject in dataset.subjects:
        folder = subject.image.parent.name
        assert (folder == "imagesTs") == (subject.split == "test")
        assert folder != "imagesVal" or subject.split == "validation"
    assert all("'" in s.why for s in dataset.split("test"))


FORMS = {
    "testing": lambda names: {"testing": names},
    "test_images": lambda names: {"test_images": names},
    "Test": lambda names: {"Test": names},
    "test_paired_images": lambda names: {
        "test_paired_images": [{"fixed": names[0], "moving": names[1]}]
    },
    "by number": lambda names: {"test": {str(k): name for k, name in enumerate(names)}},
    "by case": lambda names: {"test": {name: {"image": name} for name in names}},
    "without the ending": lambda names: {"test": [name[:-7] for name in names]},
    "a pair": lambda names: {"test": {"fixed": names[0], "moving": names[1]}},
}


@pytest.mark.parametrize("train", ["training", "train"])
@pytest.mark.parametrize("form", FORMS)
def test_a_test_list_of_any_name_and_form_is_for_test(tmp_path, train, form):
    names = [f"./imagesTs/L_{k:04d}_0000.nii.gz" for k in (21, 22)]
    path = description(tmp_path, training=listed("imagesTr", range(1, 9)), test=names)
    content = json.loads(path.read_text())
    del content["test"]
    content[train] = content.pop("training")
    path.write_text(json.dumps(content | FORMS[form](names)))
    found = splits(read_dataset(tmp_path))
    assert len(found) == 10
    held = {name for name, split in found.items() if split == "test"}
    assert held == {"L_0021_0000", "L_0022_0000"}


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ({}, "2 images of imagesTs are in no list and not used"),
        (
            {"held_back": ["./imagesTs/L_0021_0000.nii.gz"]},
            "The list 'held_back' names no split and is not used",
        ),
    ],
)
def test_images_that_no_split_is_given_for_are_named(tmp_path, more, note):
    path = description(
        tmp_path,
        training=listed("imagesTr", range(1, 9)),
        test=listed("imagesTs", (21, 22)),
    )
    content = json.loads(path.read_text())
    del content["test"]
    path.write_text(json.dumps(content | more))
    dataset = read_dataset(path)
    assert len(dataset.subjects) == 8
    assert note in " ".join(dataset.notes)


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("imagesVa", "validation"),
        ("Valid", "validation"),
        ("test_set", "test"),
        ("TestData", "test"),
        ("imagesTesting", "test"),
    ],
)
def test_a_folder_names_its_split_in_any_way(tmp_path, folder, split):
    for seed in range(8):
        image(tmp_path / "train_set" / f"p{seed}.nii.gz", seed)
    for seed in (8, 9):
        image(tmp_path / folder / f"p{seed}.nii.gz", seed)
    found = splits(read_dataset(tmp_path))
    assert {name for name, own in found.items() if own == split} == {"p8", "p9"}


def test_numbers_at_the_end_of_a_name_may_count_the_people(tmp_path):
    names = [f"S{site}_{k:04d}" for site in (1, 2) for k in range(1, 11)]
    for seed, name in enumerate(names):
        image(tmp_path / f"{name}.nii.gz", seed)
    dataset = read_dataset(tmp_path)
    assert [len(dataset.split(s)) for s in ("train", "validation", "test")] == [
        12,
        4,
        4,
    ]


def test_a_test_list_that_is_kept_back_leaves_test_to_the_hash(tmp_path):
    path = description(
        tmp_path,
        training=listed("imagesTr", range(1, 11)),
        test=listed("imagesTs", (21, 22)),
    )
    shutil.rmtree(tmp_path / "imagesTs")
    dataset = read_dataset(path)
    assert len(dataset.subjects) == 10
    assert {s.why for s in dataset.split("test")} == {"hash of the names"}
    assert any("2 images of the list 'test' are not there" in n for n in dataset.notes)


def test_an_image_in_the_lists_training_and_test_is_refused(tmp_path):
    path = description(
        tmp_path,
        training=listed("imagesTr", range(1, 11)),
        test=["./imagesTr/../imagesTr/L_0003_0000.nii.gz"],
    )
    with pytest.raises(DataError, match=r"L_0003.*'training'.*'test'.*one split only"):
        read_dataset(path)


def test_all_images_of_a_person_of_the_test_list_are_for_test(tmp_path):
    second = [{"image": "./imagesTr/L_0021_0001.nii.gz"}]
    path = description(
        tmp_path,
        training=listed("imagesTr", range(1, 11)) + second,
        test=listed("imagesTs", (21, 22)),
    )
    assert splits(read_dataset(path))["L_0021_0001"] == "test"


@pytest.mark.parametrize(
    ("train", "test"),
    [("imagesTr", "imagesTs"), ("train/images", "test/images"), ("Training", "Test")],
)
def test_a_folder_named_test_is_for_test(tmp_path, train, test):
    for seed in range(8):
        image(tmp_path / train / f"p{seed}.nii.gz", seed)
    for seed in range(20, 24):
        image(tmp_path / test / f"p{seed}.nii.gz", seed)
    dataset = read_dataset(tmp_path)
    assert {s.name for s in dataset.split("test")} == {f"p{k}" for k in range(20, 24)}
    assert len(dataset.split("validation")) == 2
    whys = {source.split: source.why for source in dataset.sources}
    assert whys["test"] == f"folder {test.partition('/')[0]}"
    assert whys["validation"] == "hash of the names"


def test_sessions_of_a_person_in_a_table_are_in_one_split(tmp_path):
    rows = ["subject,image"]
    for seed in range(16):
        name = f"sub-{seed // 2:02d}_ses-{seed % 2}"
        rows.append(f"{name},{image(tmp_path / f'{name}.nii.gz', seed).name}")
    (tmp_path / "d.csv").write_text("\n".join(rows))
    found = splits(read_dataset(tmp_path / "d.csv"))
    for person in range(8):
        assert found[f"sub-{person:02d}_ses-0"] == found[f"sub-{person:02d}_ses-1"]


def test_a_person_in_two_splits_of_a_table_is_a_warning(tmp_path):
    names = [f"sub-{k // 2}_ses-{k % 2}" for k in range(8)]
    splits = ["train", "train", "train", "validation", "validation", "test"] + [
        "test"
    ] * 2
    rows = [
        f"{name},{image(tmp_path / f'{seed}.nii.gz', seed).name},{split}"
        for seed, (name, split) in enumerate(zip(names, splits, strict=True))
    ]
    (tmp_path / "d.csv").write_text("\n".join(["subject,image,split", *rows]))
    with pytest.warns(ImageWarning, match=r"'sub-1_ses-0' \(train\) and 'sub-1_ses-1'"):
        read_dataset(tmp_path / "d.csv")


def table(folder, images, names=("train", "train", "validation", "validation", "test")):
    names = (*names, "test")
    rows = [f"s{k},{name},{names[k]}" for k, name in enumerate(images)]
    path = folder / "d.csv"
    path.write_text("\n".join(["subject,image,split", *rows]))
    return path


def symbolic_link(folder):
    (folder / "copy.nii.gz").symlink_to(folder / "0.nii.gz")


def hard_link(folder):
    os.link(folder / "0.nii.gz", folder / "copy.nii.gz")


def another_way(folder):
    (folder / "x").mkdir()
    return "x/../0.nii.gz"


def copied(folder):
    shutil.copy(folder / "0.nii.gz", folder / "copy.nii.gz")


def compressed_again(folder):
    content = gzip.decompress((folder / "0.nii.gz").read_bytes())
    (folder / "copy.nii.gz").write_bytes(gzip.compress(content, 1))


def unpacked(folder):
    content = gzip.decompress((folder / "0.nii.gz").read_bytes())
    (folder / "copy.nii").write_bytes(content)
    return "copy.nii"


def another_header(folder):
    stored = nibabel.load(folder / "0.nii.gz")
    stored.header["descrip"] = b"made by another program"
    nibabel.save(stored, folder / "copy.nii.gz")


def another_type(folder):
    array = np.asarray(nibabel.load(folder / "0.nii.gz").dataobj).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, AFFINE), folder / "copy.nii.gz")


def of_freesurfer(folder):
    array = np.asarray(nibabel.load(folder / "0.nii.gz").dataobj)
    nibabel.save(nibabel.MGHImage(array, AFFINE), folder / "copy.mgz")
    return "copy.mgz"


def with_a_fourth_axis(folder):
    array = np.asarray(nibabel.load(folder / "0.nii.gz").dataobj)
    nibabel.save(nibabel.Nifti1Image(array[..., None], AFFINE), folder / "copy.nii.gz")


def of_itk(folder):
    return written_by_itk(folder, "copy.nrrd")


def of_itk_in_capitals(folder):
    written_by_itk(folder, "copy.nrrd")
    (folder / "copy.nrrd").rename(folder / "copy.NRRD")
    return "copy.NRRD"


def written_by_itk(folder, name):
    sitk = pytest.importorskip("SimpleITK")
    sitk.WriteImage(sitk.ReadImage(str(folder / "0.nii.gz")), str(folder / name))
    return name


def compressed_but_not_called_so(folder):
    shutil.copy(folder / "0.nii.gz", folder / "copy.nii")
    return "copy.nii"


def called_compressed_and_is_not(folder):
    content = gzip.decompress((folder / "0.nii.gz").read_bytes())
    (folder / "copy.nii.gz").write_bytes(content)


WAYS = [
    with_a_fourth_axis,
    of_itk,
    of_itk_in_capitals,
    compressed_but_not_called_so,
    called_compressed_and_is_not,
    symbolic_link,
    hard_link,
    another_way,
    copied,
    compressed_again,
    unpacked,
    another_header,
    another_type,
    of_freesurfer,
]


@pytest.mark.parametrize("again", WAYS, ids=lambda way: way.__name__)
def test_one_image_in_two_splits_is_refused_with_both_names(tmp_path, again):
    images = [image(tmp_path / f"{k}.nii.gz", k).name for k in range(5)]
    copy = again(tmp_path) or "copy.nii.gz"
    with pytest.raises(DataError, match=r"'s0' \(train\) and 's5' \(test\)") as caught:
        read_dataset(table(tmp_path, [*images, copy]))
    assert "0.nii.gz" in str(caught.value)
    assert "one split only" in str(caught.value)


@pytest.mark.parametrize("again", [symbolic_link, another_header, unpacked])
def test_one_image_twice_in_a_split_is_a_warning(tmp_path, again):
    images = [image(tmp_path / f"{k}.nii.gz", k).name for k in range(4)]
    copy = again(tmp_path) or "copy.nii.gz"
    names = ("train", "train", "validation", "validation", "train")
    path = table(tmp_path, [*images, copy], names)
    with pytest.warns(ImageWarning, match=r"'s0' \(train\) and 's4' \(train\)"):
        dataset = read_dataset(path)
    assert len(dataset.split("train")) == 3


@pytest.mark.parametrize("again", [symbolic_link, another_way])
def test_one_label_map_in_two_splits_is_a_warning(tmp_path, again):
    splits = ("train", "train", "test", "test")
    names = [image(tmp_path / f"{k}.nii.gz", k).name for k in range(4)]
    copy = again(tmp_path) or "copy.nii.gz"
    for labels, expected in (names, 0), ([*names[:3], copy], 1):
        cells = zip(range(4), names, labels, splits, strict=True)
        rows = [f"s{k},{i},{label},{split}" for k, i, label, split in cells]
        path = tmp_path / "d.csv"
        path.write_text("\n".join(["subject,image,labels,split", *rows]))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            read_dataset(path)
        assert len(caught) == expected
    assert "'s0' (train) and 's3' (test) have the same label map" in str(caught[0])


@pytest.mark.parametrize("what", ["background", "one voxel", "shape"])
def test_images_that_differ_a_little_are_two(tmp_path, what):
    array = np.zeros((30, 30, 30), np.float32)
    array[:, :, 12:20] = np.random.default_rng(0).random((30, 30, 8))
    other = array.copy()
    if what == "background":
        other = np.roll(array, 1, 2)
    elif what == "one voxel":
        other[15, 15, 19] += 1e-3
    else:
        other = array[:, :, :-1]
    images = [image(tmp_path / f"{k}.nii.gz", k).name for k in range(4)]
    for name, values in (("a", array), ("b", other)):
        nibabel.save(nibabel.Nifti1Image(values, AFFINE), tmp_path / f"{name}.nii.gz")
    with warnings.catch_warnings(action="error"):
        read_dataset(table(tmp_path, ["a.nii.gz", *images, "b.nii.gz"]))


def test_the_plan_shows_where_each_split_comes_from(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    description(
        tmp_path,
        training=listed("imagesTr", range(1, 9)),
        test=listed("imagesTs", (21, 22, 23)),
    )
    assert main(["plan", str(tmp_path), "-o", str(tmp_path / "run")]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("│")[1:4] for line in lines if line.count("│") == 4]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert ["train", "6", "list 'training'"] in cells
    assert ["validation", "2", "hash of the names"] in cells
    assert ["test", "3", "list 'test'"] in cells
    assert max(map(len, lines[:9])) <= 80

    assert main(["plan", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["splits"]
    assert found[-1] == {
        "split": "test",
        "why": "list 'test'",
        "names": [f"L_{k:04d}_0000" for k in (21, 22, 23)],
    }
    assert main(["plan", str(tmp_path)]) == 0
    assert "# test               3  list 'test'" in capsys.readouterr().out
