"""`autoreg register` with several images of each subject."""

import json

import pytest


@pytest.fixture
def sides(images):
    return images / "fixed.nii.gz", images / "moving.nii.gz"


def test_images_of_one_subject_in_both_spellings(command, sides, tmp_path):
    fixed, moving = sides
    options = ["--affine-only", "--affine", "rigid", "--json"]
    once = ["-f", fixed, moving, "-m", moving, fixed, "-o", tmp_path / "a_"]
    twice = ["-f", fixed, "--fixed", moving, "-m", moving, "-m", fixed]
    found = []
    for words in (once, [*twice, "-o", tmp_path / "b_"]):
        code, out, err = command("register", *words, *options)
        assert code == 0, err
        found.append(json.loads(out))
    assert found[0]["more_channels"] == [{"fixed": str(moving), "moving": str(fixed)}]
    assert found[0]["similarity"] == found[1]["similarity"]
    assert (tmp_path / "a_moved_2.nii.gz").is_file()
    code, out, err = command("register", *once[:-1], tmp_path / "c_", *options[:-1])
    assert (code, f"{moving}, {fixed}" in out) == (0, True), err


def test_pairs_name_further_images_in_columns(command, sides, tmp_path):
    fixed, moving = sides
    table = tmp_path / "pairs.csv"
    lines = ["fixed,moving,fixed_2,moving_2", f"{fixed},{moving},{moving},{fixed}"]
    table.write_text("\n".join(lines))
    out = tmp_path / "out" / "x_"
    words = ("register", "--pairs", table, "-o", out, "--affine-only")
    code, _, err = command(*words)
    assert code == 0, err
    assert (tmp_path / "out" / "x_moving_to_fixed_moved_2.nii.gz").is_file()
    table.write_text("\n".join([lines[0], f"{fixed},{moving},{moving},"]))
    code, _, err = command(*words)
    assert code == 2
    assert "more images of one subject than of the other" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-f", 0, 1, "-m", 1), "2 fixed and 1 moving images; give as many"),
        (("-f", 0, "-m", 1, 0), "1 fixed and 2 moving images; give as many"),
        (("-f", 0, 1), "give a fixed and a moving image"),
        (("-f", 0, "-m", 1, "--weights", "1", "2"), "one for each of the 1 images"),
        (
            ("-f", 0, 1, "-m", 1, 0, "--weights", "1", "-2"),
            "one for each of the 2 images",
        ),
        (("-f", "folder", 1, "-m", 1, 0), "are for one pair; of many pairs name them"),
    ],
)
def test_wrong_images_end_in_one_sentence(command, sides, tmp_path, words, message):
    (tmp_path / "folder").mkdir()
    names = {0: sides[0], 1: sides[1], "folder": tmp_path / "folder"}
    given = [names.get(word, word) for word in words]
    code, out, err = command("register", *given, "-o", tmp_path / "out_")
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]
    assert not list(tmp_path.glob("out_*"))
