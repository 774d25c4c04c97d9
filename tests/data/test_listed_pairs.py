"""A list says which pairs there are; every mistake in it names line and remedy."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoreg_jax import config
from autoreg_jax.data import (
    PairSampler,
    evaluation_pairs,
    load_cohorts,
    read_dataset,
)
from autoreg_jax.data.datasets._listed_splits import ListedPair, _groups
from autoreg_jax.errors import ConfigError, DataError, ImageWarning
from autoreg_jax.workflows._pairs import (
    pair_sampler,
    roles_of,
    scored_pairs,
    warn_of_unpaired,
)

SPLITS = ("train", "train", "train", "validation", "validation", "test", "test")


@pytest.fixture
def write(tmp_path):
    """A dataset of seven subjects, s0 to s6, and a list in another folder."""
    rows = [f"s{n},{n}.nii.gz,{split}" for n, split in enumerate(SPLITS)]
    for number in range(12):
        (tmp_path / f"{number}.nii.gz").touch()
    (tmp_path / "dataset.csv").write_text("\n".join(["subject,image,split", *rows]))
    (tmp_path / "lists").mkdir()

    def write(text):
        path = tmp_path / "lists" / "pairs.csv"
        path.write_text(text)
        return path

    return write


def listed(dataset):
    return [f"{moving} {fixed}" for moving, fixed in dataset.pair_list.pairs]


def splits(dataset):
    return {subject.name: subject.split for subject in dataset.subjects}


GOOD = "fixed,moving\ns1,s0\n"
BAD = {
    "no column": ("fixed\ns0\n", "the column 'moving' is missing"),
    "strange column": ("fixed,moving,init\ns1,s0,x\n", "unknown column 'init'"),
    "unknown": (GOOD + "s3,s44\n", r"line 3, column 'moving': 's44' is nei.*mean 's4'"),
    "far": (GOOD + "s3,anna\n", r"'anna' is neither a subject of .*dataset\.csv"),
    "foreign file": (
        GOOD + "s3,../9.nii.gz\n",
        r"line 3, column 'moving': '\.\./9\.nii\.gz' is a file, but no image of",
    ),
    "self": (GOOD + "s2,s2\n", "line 3: 's2' is paired with itself"),
    "itself by file": (GOOD + "s2,../2.nii.gz\n", "line 3: 's2' is paired with itself"),
    "twice": (GOOD + "s2,s1\n../1.nii.gz,s0\n", r"line 4: the pair s0 to s1 .* line 2"),
    "crossing": (
        GOOD + "s3,s2\n",
        r"line 3: 's2' is in 'train' \(column 'split'\) and 's3' in 'validation'",
    ),
    "another split": (
        "fixed,moving,split\ns1,s0,test\n",
        "the pair s0 to s1 is listed for 'test', but 's0' is in 'train'",
    ),
    "unknown split": ("fixed,moving,split\ns1,s0,val\n", "line 2: unknown split 'val'"),
    "no such labels": (
        "fixed,moving,fixed_labels\ns1,s0,no.nii.gz\n",
        r"column 'fixed_labels': .*no\.nii\.gz does not exist",
    ),
    "two label maps": (
        "fixed,moving,fixed_labels,moving_labels\n"
        "s1,s0,../7.nii.gz,\ns2,s1,,../8.nii.gz\n",
        r"line 3, column 'moving_labels': .*8\.nii\.gz, but 's1' has the labels .*7\.n",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_bad_list(write, tmp_path, text, message):
    path = write(text)
    with pytest.raises(DataError, match=message) as caught:
        read_dataset(tmp_path, pairs=path)
    assert str(path) in str(caught.value)


def test_subjects_or_files_and_no_others(write, tmp_path):
    path = write(
        "fixed,moving,moving_mask,fixed_landmarks\n"
        "s1,s0,,\n../0.nii.gz,s1,../9.nii.gz,../8.nii.gz\ns6,../5.nii.gz,,\n"
    )
    dataset = read_dataset(tmp_path / "dataset.csv", pairs=path)
    assert listed(dataset) == ["s0 s1", "s1 s0", "s5 s6"]
    by_name = {subject.name: subject for subject in dataset.subjects}
    assert list(by_name) == ["s0", "s1", "s5", "s6"]
    assert by_name["s1"].mask.samefile(tmp_path / "9.nii.gz")
    assert by_name["s0"].landmarks.samefile(tmp_path / "8.nii.gz")
    assert by_name["s5"].mask is None
    assert "The pairs that pairs.csv lists, and no others: 2 train, 1 test." in (
        dataset.notes
    )
    assert "3 of 7 subjects are in no listed pair" in dataset.notes[-1]
    # Nothing of the whole dataset is left in its place.
    with pytest.raises(DataError, match=r"pairs\.csv: no pair is of .*'validation'"):
        dataset.complete_split("validation")


def test_the_list_says_the_splits_of_a_dataset_without(write, tmp_path):
    rows = [f"s{n},{n}.nii.gz" for n in range(7)]
    (tmp_path / "dataset.csv").write_text("\n".join(["subject,image", *rows]))
    lines = "fixed,moving,split\ns1,s0,train\ns3,s2,validation\ns5,s4,test\n"
    dataset = read_dataset(tmp_path, pairs=write(lines + "s6,s5,\n"))
    wanted = ["train"] * 2 + ["validation"] * 2 + ["test"] * 3
    assert splits(dataset) == {f"s{n}": split for n, split in enumerate(wanted)}
    assert dataset.sources[0].why == "column 'split' of pairs.csv"
    assert dataset.sources[-1].why == "paired with s5"
    lost = write(lines.replace("s5,s4,test", "s4,s3,") + "s6,s5,\n")
    with pytest.raises(DataError, match=r"line 5: no split .* s5 to s6, but for oth"):
        read_dataset(tmp_path, pairs=lost)
    chain = write(lines.replace(",train", ",test") + "s3,s1,\n")
    with pytest.raises(DataError, match=r"line 5: 's1' is in 'test' .* 's3' in 'valid"):
        read_dataset(tmp_path, pairs=chain)
    # For the evaluation of another model nothing has to be said.
    held = read_dataset(tmp_path, pairs=write("fixed,moving\ns1,s0\n"), held_out=True)
    assert splits(held) == {"s0": "test", "s1": "test"}


def test_chosen_splits_keep_pairs_and_people_together(write, tmp_path):
    people = {"a": "ab", "b": "ab", "x": "c", "y": "c"}
    names = enumerate("abxypqrstuvw")
    rows = [f"{name},{n}.nii.gz,{people.get(name, '')}" for n, name in names]
    (tmp_path / "dataset.csv").write_text("\n".join(["subject,image,person", *rows]))
    lines = ["fixed,moving", "x,a", "y,p", "r,q", "t,s", "v,u"]
    dataset = read_dataset(tmp_path, pairs=write("\n".join(lines)))
    found = splits(dataset)
    # x and y are of one person, as are a and b, of which b is in no pair.
    assert len({found[name] for name in "axyp"}) == 1
    pairs = [ListedPair(*names, "", "") for names in ("ax", "py", "rq")]
    groups = _groups(pairs, [one for one in dataset.subjects if one.name in "axypqr"])
    assert groups == [*"aaaa", *"qq"]
    for pair in ("qr", "st", "uv"):
        assert found[pair[0]] == found[pair[1]]
    assert {*found.values()} == {"train", "validation", "test"}
    assert "b" not in found
    with pytest.raises(DataError, match=r"2 pairs form 2 groups .* a column 'split'"):
        read_dataset(tmp_path, pairs=write("fixed,moving\nr,q\nt,s\n"))
    with pytest.warns(ImageWarning, match=r"'x' \(train\) and 'y' \(test\) seem to be"):
        read_dataset(tmp_path, pairs=write("fixed,moving,split\nx,q,train\ny,r,test\n"))


def test_a_list_is_a_dataset(write, tmp_path):
    """Images of the same names in the folders of people are told apart by these."""
    lines = ["fixed,moving,split,fixed_labels,moving_labels"]
    for person, split in zip("abc", ("train", "validation", "test"), strict=True):
        (tmp_path / person).mkdir()
        for name in ("exhale_ct", "inhale_ct", "exhale_seg", "inhale_seg"):
            (tmp_path / person / f"{name}.nii.gz").touch()
        fixed, moving, *maps = (
            f"../{person}/{name}.nii.gz"
            for name in ("exhale_ct", "inhale_ct", "exhale_seg", "inhale_seg")
        )
        lines.append(",".join([fixed, moving, split, *maps]))
    dataset = read_dataset(write("\n".join(lines)))
    assert listed(dataset) == [f"{p}_inhale_ct {p}_exhale_ct" for p in "abc"]
    for subject in dataset.subjects:
        image, labels = subject.image.name, subject.labels.name
        assert labels == image.replace("_ct", "_seg")
        assert subject.labels.parent.samefile(subject.image.parent)
        assert subject.modality == "ct"
    assert [len(dataset.split(s)) for s in ("train", "validation", "test")] == [2, 2, 2]


@given(
    pairs=st.sets(
        st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda p: p[0] != p[1]),
        min_size=1,
    ),
    seed=st.integers(0, 3),
)
@settings(deadline=None, max_examples=40, derandomize=True)
def test_only_listed_pairs_are_drawn(pairs, seed):
    order = sorted(pairs)
    sampler = PairSampler(7, batch_size=len(order), seed=seed, pairs=order)
    assert sampler.pairs_per_epoch == len(order)
    for step in range(2):
        drawn = zip(*(side.tolist() for side in sampler[step]), strict=True)
        assert sorted(drawn) == order
    assert sorted(evaluation_pairs(7, 100, seed, pairs=order)) == order


def test_a_list_of_all_pairs_is_evaluated_as_none():
    """The same pairs in the same order, spread over the subjects."""
    everyone = [(m, f) for m in range(6) for f in range(6) if m != f]
    assert evaluation_pairs(6, 17, 4, pairs=everyone) == evaluation_pairs(6, 17, 4)
    with pytest.raises(ValueError, match="no two subjects"):
        PairSampler(6, pairs=())


def test_listed_pairs_that_the_settings_leave(make_dataset, tmp_path, caplog):
    make_dataset(splits=("train",) * 4 + ("test",) * 2)
    path = tmp_path / "pairs.csv"
    path.write_text("fixed,moving\ns3,s2\ns1,s0\ns0,s1\ns2,s0\ns5,s4\n")
    dataset = read_dataset(tmp_path / "dataset.csv", pairs=path)
    train, test = load_cohorts(dataset, ["train", "test"])
    assert train.pairs == ((0, 1), (0, 2), (1, 0), (2, 3))
    assert test.pairs == ((0, 1),)
    run = config.RunConfig(pairs=config.PairsConfig(list="pairs.csv"))
    assert sorted(scored_pairs(train, run, None)) == sorted(train.pairs)
    assert len(scored_pairs(train, run, 3)) == 3
    warn_of_unpaired(train, roles_of(train, run.pairs))
    assert not caplog.messages
    cohort = replace(
        train, modalities=("mr", "us", "mr", "us"), people=("a", "a", "b", "b")
    )
    asked = config.PairsConfig(list="x", moving_modality="MR", fixed_modality="us")
    assert roles_of(cohort, asked).pairs == ((0, 1), (2, 3))
    assert roles_of(cohort, replace(asked, within="person")).pairs == ((0, 1), (2, 3))
    within = roles_of(cohort, config.PairsConfig(list="x", within="person"))
    assert within.pairs == ((0, 1), (1, 0), (2, 3))
    moving, fixed = pair_sampler(4, within, (0, 0, 0), 60)[0]
    assert {*zip(moving.tolist(), fixed.tolist(), strict=True)} == {*within.pairs}
    warn_of_unpaired(cohort, within)
    assert "1 of 4 listed pairs are not used, such as s0 to s2" in caplog.text
    with pytest.raises(DataError, match=r"no pair .* pairs\.moving_modality=pet"):
        roles_of(cohort, config.PairsConfig(list="x", moving_modality="pet"))
    with pytest.raises(ConfigError, match="list says which image is fixed"):
        config.PairsConfig(list="x", fixed="atlas")
