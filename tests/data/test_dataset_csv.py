"""The dataset CSV is read strictly; every mistake names the file and the remedy."""

import pytest

from autoreg_jax.data import Subject, read_dataset
from autoreg_jax.errors import DataError, ImageWarning


@pytest.fixture
def write(tmp_path):
    for index in range(10):
        (tmp_path / f"{index}.nii.gz").touch()
    (tmp_path / "folder.nii.gz").mkdir()

    def write(text, encoding="utf-8"):
        path = tmp_path / "list.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


HEAD = "subject,image,labels,split\n"
GOOD = HEAD + "a,0.nii.gz,1.nii.gz,train\nb,1.nii.gz,,train\n"

BAD = {
    "empty": ("", "file is empty"),
    "blank lines": ("\n\n", "file is empty"),
    "no subjects": (HEAD, "file is empty"),
    "no split column": (
        "subject,image\na,0.nii.gz\n",
        "1 subjects and no splits for them; .* in the column 'split'",
    ),
    "empty split": (GOOD + "c,2.nii.gz,,\n", "line 4, subject 'c': unknown split ''"),
    "no image column": ("subject,split\na,train\n", "'image' is missing"),
    "semicolons": (GOOD.replace(",", ";"), "separated by commas"),
    "unknown column": (
        GOOD.replace("labels", "lables"),
        "unknown column 'lables'; did you mean 'labels'",
    ),
    "strange column": (
        GOOD.replace("labels", "weight"),
        "unknown column 'weight'; remove",
    ),
    "column twice": (GOOD.replace("labels", "image"), "'image' appears 2 times"),
    "too few cells": (GOOD + "c,2.nii.gz,train\n", "line 4: 3 cells for 4 columns"),
    "too many cells": (GOOD + "c,2.nii.gz,,train,x\n", "line 4: 5 cells"),
    "no name": (GOOD + ",2.nii.gz,,train\n", "line 4: the cell 'subject' is empty"),
    "no image": (GOOD + "c,,,train\n", "line 4: the cell 'image' is empty"),
    "duplicate": (GOOD + "a,2.nii.gz,,train\n", "'a' appears 2 times"),
    "unknown split": (
        GOOD + "c,2.nii.gz,,val\n",
        "line 4, subject 'c': unknown split 'val'; write one of train, validation",
    ),
    "single subject": (GOOD + "c,2.nii.gz,,test\n", "'test' has 1 subject"),
    "missing image": (
        GOOD + "c,no.nii.gz,,train\n",
        r"'image': .*no\.nii\.gz does not",
    ),
    "missing labels": (
        GOOD + "c,2.nii.gz,no.nii,train\n",
        "'labels': .*does not exist",
    ),
    "directory": (GOOD + "c,folder.nii.gz,,train\n", "is a directory"),
    "open quote": (GOOD + '"c,2.nii.gz,,train\n', "not a CSV file"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_bad_table(write, text, message):
    path = write(text)
    with pytest.raises(DataError, match=message) as caught:
        read_dataset(path)
    assert str(path) in str(caught.value)


def test_another_encoding(write):
    with pytest.raises(DataError, match="UTF-8"):
        read_dataset(write(GOOD.replace("a,", "é,"), "latin-1"))


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.csv", "does not exist"), ("", "contains no images")],
)
def test_no_table(tmp_path, name, message):
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path / name)


def test_lines_become_subjects(write, tmp_path):
    dataset = read_dataset(write(GOOD))
    a, b = dataset.subjects
    image, labels = tmp_path / "0.nii.gz", tmp_path / "1.nii.gz"
    why = "column 'split'"
    assert a == Subject("a", image, labels, "train", why=why, person="a")
    assert (b.name, b.labels, b.modality, b.velocity) == ("b", None, None, None)


def test_optional_columns_spaces_quotes_and_byte_order_mark(write, tmp_path):
    text = (
        "split,velocity,image,subject,modality\r\n"
        'train, 1.nii.gz ,0.nii.gz,"a, left",t1\r\n\r\n'
        "train,,1.nii.gz,b,\r\n"
    )
    a, b = read_dataset(write(text, "utf-8-sig")).subjects
    assert (a.name, a.modality, a.velocity) == ("a, left", "t1", tmp_path / "1.nii.gz")
    assert (b.name, b.modality, b.labels) == ("b", None, None)


def test_who_an_image_shows(write):
    """The column says it, or else the name; the splits keep a person together."""
    lines = [f"s{i},{i}.nii.gz,p{i // 2}" for i in range(10)]
    dataset = read_dataset(write("\n".join(["subject,image,person", *lines])))
    assert [s.person for s in dataset.subjects] == [f"p{i // 2}" for i in range(10)]
    splits = {s.person: s.split for s in dataset.subjects}
    assert all(splits[s.person] == s.split for s in dataset.subjects)
    text = (
        "subject,image,split,person\nanna_t1,0.nii.gz,test,\nanna_t2,1.nii.gz,test,\n"
    )
    dataset = read_dataset(write(text + "x,2.nii.gz,test,anna\ny,3.nii.gz,test,\n"))
    assert [s.person for s in dataset.subjects] == ["anna", "anna", "anna", "y"]


def test_a_person_in_two_splits_is_a_warning(write):
    text = "subject,image,split,person\na,0.nii.gz,train,p\nb,1.nii.gz,train,q\n"
    with pytest.warns(ImageWarning, match="'a' .*and 'c' .*one person"):
        read_dataset(write(text + "c,2.nii.gz,test,p\nd,3.nii.gz,test,r\n"))


def test_split_keeps_the_order_and_names_the_others(write):
    dataset = read_dataset(
        write(GOOD + "d,3.nii.gz,,test\nc,2.nii.gz,,test\ne,4.nii.gz,,train\n")
    )
    assert [s.name for s in dataset.split("train")] == ["a", "b", "e"]
    assert [s.name for s in dataset.split("test")] == ["d", "c"]
    for name in ("validation", "holdout"):
        with pytest.raises(DataError, match="with subjects are train, test"):
            dataset.split(name)


def test_splits_are_chosen_where_the_column_is_missing(write):
    lines = [f"s{i},{i}.nii.gz" for i in range(10)]
    dataset = read_dataset(write("\n".join(["subject,image", *lines])))
    sizes = [len(dataset.split(s)) for s in ("train", "validation", "test")]
    assert sizes == [6, 2, 2]
    assert "chosen by a hash of their names" in dataset.notes[0]
