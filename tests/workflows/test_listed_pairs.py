"""A run registers the pairs that are listed, keeps them, and notices other ones."""

import csv
from dataclasses import replace
from functools import partial

import pytest
from stand_in import SmallNetwork, auto, make_cohort, write_dataset

from autoreg_jax import config, workflows
from autoreg_jax.data import PairSampler, read_dataset
from autoreg_jax.errors import ConfigError, DataError
from autoreg_jax.files import read_json
from autoreg_jax.inference import load_model
from autoreg_jax.report._run import read_run
from autoreg_jax.report._summary import summary_paragraph
from autoreg_jax.runtime import ONE_DEVICE, RunFolder
from autoreg_jax.workflows import _origin, _run_steps
from autoreg_jax.workflows._pairs import search_data
from autoreg_jax.workflows.evaluation import _external
from autoreg_jax.workflows.planning import _for_model, _plan, without_list
from autoreg_jax.workflows.planning._choices import Choice

RUN = config.RunConfig()
LIST = """fixed,moving
s1-1,s1-0
s1-3,s1-2
s2-0,s2-1
s2-2,s2-1
s3-1.nii.gz,s3-0.nii.gz
s3-1,s3-2
"""


@pytest.fixture(autouse=True, scope="module")
def _stand_in():
    """Models are those of the stand-in, and the headers of the images are right."""
    load = partial(load_model, network=SmallNetwork("any"))
    trusted = Choice("none", "The headers are right.")
    with pytest.MonkeyPatch.context() as patch:
        for module in (_run_steps, _external):
            patch.setattr(module, "load_model", load)
        for module in (_plan, _for_model):
            patch.setattr(module, "choose_affine", lambda found: trusted)
        yield


@pytest.fixture(scope="module")
def dataset(cohorts, tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("dataset"), cohorts)


@pytest.fixture(scope="module")
def lean(settings):
    """A training and an evaluation of all pairs, neither search nor refinement."""
    none = {"steps": 0, "warm_up": 0}
    stages = dict.fromkeys(("feature", "deformation", "lam"), none)
    evaluation = {"pairs": None, "refine": {"steps": 0}}
    return config.merge(settings, {"search": stages, "evaluate": evaluation})


def with_list(settings, path):
    return replace(settings, pairs=config.PairsConfig(list=str(path)))


def evaluated(run):
    with (run / "evaluation_pairs.csv").open(newline="") as file:
        return sorted((row["moving"], row["fixed"]) for row in csv.DictReader(file))


@pytest.fixture(scope="module")
def done(dataset, lean, tmp_path_factory):
    """A run, its list, and the pairs that its training has drawn."""
    path, run = dataset.parent / "pairs.csv", tmp_path_factory.mktemp("auto") / "run"
    path.write_text(LIST)
    drawn, draw = set(), PairSampler.__getitem__

    def spy(sampler, step):
        found = draw(sampler, step)
        pairs = zip(*(side.tolist() for side in found), strict=True)
        drawn.update(pairs)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PairSampler, "__getitem__", spy)
        auto(dataset, run, with_list(lean, path), with_report=False)
    return run, path, drawn


def test_only_listed_pairs_are_registered(done, dataset):
    run, path, drawn = done
    assert drawn == {(0, 1), (2, 3)}  # moving and fixed of the training subjects
    assert evaluated(run) == [("s3-0", "s3-1"), ("s3-2", "s3-1")]
    assert read_json(run / "evaluation.json")["pairs"] == 2
    assert config.load(run / "config.yaml").pairs.list == str(path)
    words = " ".join((run / "plan.yaml").read_text().replace("#", " ").split())
    assert "The pairs that pairs.csv lists, and no others: 2 train, 2 valid" in words
    report = summary_paragraph(read_run(RunFolder(run)))
    assert "These are all of the pairs that are listed for it, and no others." in report
    kept = (run / "listed_pairs.csv").read_text().splitlines()
    assert kept[:2] == ["fixed,moving,split", "s1-1,s1-0,train"]
    again = read_dataset(dataset, pairs=run / "listed_pairs.csv").pair_list.pairs
    assert {*again} == {*read_dataset(dataset, pairs=path).pair_list.pairs}


def test_an_edited_list_is_refused(done, dataset, lean):
    run, path, _ = done
    other, edited = with_list(lean, path), LIST.replace("s3-1,s3-2", "s3-0,s3-2")
    before = {file: file.stat().st_mtime_ns for file in run.rglob("*")}
    path.write_text(LIST + "s1-0,s1-1\n")
    try:
        with pytest.raises(ConfigError, match=r"pairs\.csv: lists other pairs than"):
            auto(dataset, run, other, resume=True)
        with pytest.raises(ConfigError, match=r"lists other pairs .* another name"):
            workflows.evaluate_run(run, other)
        # The order of the lines says nothing.
        head, *lines = LIST.splitlines()
        path.write_text("\n".join([head, *reversed(lines)]))
        auto(dataset, run, other, resume=True, with_report=False)
    finally:
        path.write_text(LIST)
    untouched = {"model", "metrics.jsonl", "evaluation.json", "listed_pairs.csv"}
    for file, time in before.items():
        if untouched & {*file.relative_to(run).parts}:
            assert file.stat().st_mtime_ns == time
    # Another list for another evaluation is no edited one.
    path.with_name("other.csv").write_text(edited)
    workflows.evaluate_run(run, with_list(lean, path.with_name("other.csv")))
    assert evaluated(run) == [("s3-0", "s3-1"), ("s3-2", "s3-0")]


def test_a_run_keeps_its_list(done):
    run, path, _ = done
    path.rename(path.with_name("gone.csv"))
    try:
        workflows.evaluate_run(run)
    finally:
        path.with_name("gone.csv").rename(path)
    assert evaluated(run) == [("s3-0", "s3-1"), ("s3-2", "s3-1")]


def test_other_data_need_no_list(done, lean, tmp_path):
    run, path, _ = done
    own = with_list(lean, path)
    assert without_list(own, run).pairs.list is None
    other = with_list(lean, tmp_path / "other.csv")
    assert without_list(other, run) == other
    cohorts = [make_cohort(2, seed) for seed in (4, 5, 6)]
    dataset = write_dataset(tmp_path, cohorts)
    (tmp_path / "other.csv").write_text("fixed,moving\ns6-0,s6-1\n")
    for settings, pairs in ((None, 2), (other, 1)):
        folder = tmp_path / f"{pairs}"
        workflows.evaluate_dataset(run, dataset, folder, settings)
        assert len(evaluated(folder)) == pairs


def test_a_split_without_pairs_is_refused_before_anything_is_written(
    dataset, lean, tmp_path
):
    path = tmp_path / "pairs.csv"
    path.write_text("fixed,moving\ns1-1,s1-0\ns3-1,s3-0\n")
    with pytest.raises(DataError, match="no pair is of the split 'validation'"):
        auto(dataset, tmp_path / "run", with_list(lean, path))
    assert not (tmp_path / "run").exists()


def test_search_and_checkpoints_know_their_pairs(cohorts):
    """Cohorts that somebody made in Python have no file that could be compared."""
    train, validation, _ = cohorts
    some = replace(train, pairs=((0, 1), (2, 3)))
    turned = replace(train, pairs=((1, 0), (2, 3)))
    found = [
        _origin.of_splits(one, validation)["training pairs"]
        for one in (train, some, turned)
    ]
    assert len({*found}) == 3
    of_search = search_data(some, replace(validation, pairs=((2, 0),)), RUN, ONE_DEVICE)
    for data in of_search:
        assert data.train_roles.pairs == some.pairs
        assert data.valid_roles.pairs == ((2, 0),)
    assert found[1] == _origin.of_splits(replace(some), None)["training pairs"]
