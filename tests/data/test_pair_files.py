"""Lists of pairs, from a table or from folders."""

import numpy as np
import pytest

from autoreg_jax.data import PairFiles, match_images, read_pairs, write_volume
from autoreg_jax.errors import DataError
from autoreg_jax.geometry import Volume


@pytest.fixture
def folder(tmp_path):
    """Two folders with images of the same names."""
    volume = Volume(np.ones((3, 3, 3), np.float32), np.eye(4))
    for side in ("fixed", "moving"):
        for name in ("b.nii.gz", "a.nii"):
            write_volume(tmp_path / side / name, volume)
    (tmp_path / "fixed" / "notes.txt").write_text("not an image")
    return tmp_path


def write(folder, *lines):
    path = folder / "pairs.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_table(folder):
    path = write(
        folder,
        "moving,fixed,moving_labels,fixed_mask",
        "moving/a.nii,fixed/b.nii.gz,moving/b.nii.gz,",
        "moving/b.nii.gz,fixed/a.nii,,fixed/a.nii",
    )
    first, second = read_pairs(path)
    assert first == PairFiles(
        fixed=folder / "fixed" / "b.nii.gz",
        moving=folder / "moving" / "a.nii",
        moving_labels=folder / "moving" / "b.nii.gz",
    )
    assert (first.name, second.name) == ("a_to_b", "b_to_a")
    assert second.fixed_mask == folder / "fixed" / "a.nii"
    assert len(first.files) == 3


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["fixed,moving", "fixed/a.nii,moving/c.nii"],
            r"line 2, column 'moving'.*c\.nii",
        ),
        (["fixed", "fixed/a.nii"], "the column 'moving' is missing"),
        (
            ["fixed,moving,fixed_labels", "fixed/a.nii,moving/a.nii,fixed/a.nii"],
            "add moving_labels",
        ),
        (
            ["fixed,moving", *["fixed/a.nii,moving/a.nii"] * 2],
            "2 pairs would be written",
        ),
    ],
)
def test_a_table_that_cannot_be_used(folder, lines, message):
    with pytest.raises(DataError, match=message):
        read_pairs(write(folder, *lines))


def test_folders(folder):
    fixed, moving = folder / "fixed", folder / "moving"
    names = [pair.name for pair in match_images(fixed, moving)]
    assert names == ["a_to_a", "b_to_b"]
    atlas = match_images(fixed / "a.nii", moving)
    assert [pair.name for pair in atlas] == ["a_to_a", "b_to_a"]
    assert {pair.fixed for pair in atlas} == {fixed / "a.nii"}
    assert [p.name for p in match_images(fixed, moving / "a.nii")] == [
        "a_to_a",
        "a_to_b",
    ]


def test_folders_that_do_not_match(folder):
    (folder / "moving" / "a.nii").unlink()
    with pytest.raises(DataError, match="a is in one of the folders only"):
        match_images(folder / "fixed", folder / "moving")
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match="contains no images"):
        match_images(folder / "empty", folder / "moving")
