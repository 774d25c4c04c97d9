"""Who an image shows, where names and folders leave no doubt, and not otherwise."""

from collections import defaultdict

import pytest

from autoreg_jax.data import read_dataset

TWO = ("anna", "bo", "cy", "dee", "eve", "fay")
SAME = {
    "words in folders": [f"{p}/{v}" for p in TWO for v in ("baseline", "followup")],
    "some came once": [
        "anna/baseline",
        "anna/followup",
        *(f"{p}/baseline" for p in TWO[1:]),
    ],
    "folders of occasions": [f"{v}/{p}" for p in TWO for v in ("pre-op", "post-op")],
    "folders of modalities": [f"{v}/{p}" for p in TWO for v in ("MR", "US")],
    "folders of splits": [
        f"{split}/{p}/{v}_t1"
        for split, people in (("train", TWO[:4]), ("val", TWO[4:5]), ("test", TWO[5:]))
        for p in people
        for v in ("visit1", "visit_2")
    ],
    "years": [f"{p}_{year}" for p in TWO for year in (2019, 2021)],
    "years in folders": [f"{p}/{year}/t1" for p in TWO for year in (2019, 2021)],
    "dates": [f"{p}-{day}" for p in TWO for day in ("2019-03-01", "20210412")],
    "one year and modalities": [
        f"{p}_2019_{kind}" for p in TWO for kind in ("t1", "t2")
    ],
    "the first has no word": [f"{p}{v}" for p in TWO for v in ("", "_fu1")],
    "breath": [f"{p}_{v}" for p in TWO for v in ("inhale", "exhale")],
    "sessions": [f"{p}_ses-{n}" for p in TWO for n in (1, 2)],
    "sites": [
        f"site{s}/{v}/{p}"
        for s, p in zip("ababab", TWO, strict=True)
        for v in ("pre", "post")
    ],
}
APART = {
    "numbers in folders": [f"{p}/{n}" for p in TWO for n in (1, 2)],
    "words of their own": [f"{p}/{v}" for p in TWO for v in ("left", "right")],
    "sites that count": [f"{s}/{n:03}" for s in ("north", "south") for n in range(6)],
    "sites that count like years": [f"hh_{n}" for n in range(1998, 2010)],
    "two such sites": [f"{s}_{n}" for s in ("hh", "gu") for n in range(2001, 2007)],
    "numbers beside years": [f"{s}_{n}" for s in TWO for n in (1, 2001, 2004)],
    "mice and volunteers": [
        f"{s}_{n}" for s in ("m", "v") for n in ("m01", "v02", "x3")
    ],
    "only words": [f"2019/{v}" for v in ("t1", "t2", "pre", "post", "fu1", "visit3")],
}


def read(folder, names):
    for name in names:
        (folder / f"{name}.nii.gz").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.nii.gz").touch()
    return read_dataset(folder, held_out=True)


def groups(dataset):
    """The files of each person."""
    found = defaultdict(set)
    for subject in dataset.subjects:
        place = subject.image.relative_to(dataset.path).as_posix()
        found[subject.person].add(place.removesuffix(".nii.gz"))
    return sorted(map(sorted, found.values()))


@pytest.mark.parametrize("names", SAME.values(), ids=SAME)
def test_images_of_one_person(tmp_path, names):
    dataset = read(tmp_path, names)
    expected = [sorted(n for n in names if person in n) for person in TWO]
    assert groups(dataset) == sorted(expected)
    note = next(note for note in dataset.notes if note.startswith("Taken for images"))
    assert note.count(" and ") >= 1
    if names is SAME["years"]:
        assert note.startswith(
            "Taken for images of one person: anna_2019 and anna_2021"
        )
        assert note.endswith("; and 3 more.")


@pytest.mark.parametrize("names", APART.values(), ids=APART)
def test_no_one_is_guessed(tmp_path, names):
    dataset = read(tmp_path, names)
    assert groups(dataset) == sorted([name] for name in names)
    assert not any("Taken for" in note for note in dataset.notes)


def test_a_person_stays_in_one_split(tmp_path):
    read(tmp_path, SAME["words in folders"])
    dataset = read_dataset(tmp_path)
    splits = defaultdict(set)
    for subject in dataset.subjects:
        splits[subject.person].add(subject.split)
    assert {len(found) for found in splits.values()} == {1}
    assert {split for found in splits.values() for split in found} == {
        *("train", "validation", "test")
    }


def test_names_of_a_table_say_it_too(tmp_path):
    read(tmp_path, SAME["years"])
    rows = [f"{name},{name}.nii.gz" for name in SAME["years"]]
    table = tmp_path / "dataset.csv"
    table.write_text("\n".join(["subject,image", *rows]))
    assert {s.person for s in read_dataset(table).subjects} == {*TWO}
    # A column that somebody wrote is what counts.
    table.write_text(
        "\n".join(
            ["subject,image,person", *(f"{r},x{n % 4}" for n, r in enumerate(rows))]
        )
    )
    dataset = read_dataset(table, held_out=True)
    assert {s.person for s in dataset.subjects} == {"x0", "x1", "x2", "x3"}
    assert not any("Taken for" in note for note in dataset.notes)
