"""The folder of a run: names, claims, records and provenance."""

import os
from pathlib import Path

import pytest

from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.files import append_record
from autoreg_jax.runtime import RunFolder

NAMES = {
    "config": "config.yaml",
    "plan": "plan.yaml",
    "pairs": "listed_pairs.csv",
    "genotype": "genotype.json",
    "objective": "objective.json",
    "search": "search.json",
    "refinement": "refinement.json",
    "smoothness": "smoothness.json",
    "smoothness_scores": "smoothness.csv",
    "trials": "trials",
    "initial": "initial",
    "model": "model",
    "checkpoints": "checkpoints",
    "metrics": "metrics.jsonl",
    "evaluation": "evaluation.json",
    "structure_scores": "evaluation.csv",
    "pair_scores": "evaluation_pairs.csv",
    "panels": "panels.npz",
    "report": "report.html",
    "provenance": "provenance.json",
    "data": "data",
}


@pytest.fixture
def finished(tmp_path):
    folder = tmp_path / "run"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "weights").write_text("precious")
    (folder / "data").mkdir()
    (folder / "report.html").write_text("first")
    (folder / "notes.txt").write_text("mine")
    return RunFolder(folder)


def test_every_file_has_its_name():
    paths = dict(vars(RunFolder("run")))
    assert paths.pop("path") == Path("run")
    assert paths == {name: Path("run") / file for name, file in NAMES.items()}


def test_it_is_a_path_for_those_who_take_one(tmp_path):
    run = RunFolder(tmp_path)
    assert Path(run) == RunFolder(run).path == tmp_path
    assert os.fspath(run) == str(run) == str(tmp_path)
    assert repr(run) == f"RunFolder({str(tmp_path)!r})"


def test_new_folder_is_made(tmp_path):
    run = RunFolder(tmp_path / "a" / "b").claim()
    assert run.path.is_dir()
    assert run.claim(resume=True) is run


def test_finished_run_is_refused(finished):
    with pytest.raises(ArtifactError, match=r"contains a run.*--overwrite"):
        finished.claim()
    assert finished.claim(resume=True) is finished
    assert finished.report.read_text() == "first"


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"plan", "data"}))
def test_each_artifact_alone_is_a_run_and_is_moved(tmp_path, name):
    run = RunFolder(tmp_path)
    getattr(run, name).write_text("")
    with pytest.raises(ArtifactError, match="contains a run"):
        run.claim()
    run.claim(overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["previous-1"]


def test_plan_alone_is_no_run_but_is_moved(tmp_path):
    run = RunFolder(tmp_path)
    run.plan.write_text("")
    assert run.claim().plan.is_file()
    run.claim(overwrite=True)
    assert not run.plan.exists()


def test_overwrite_moves_the_run_and_nothing_else(finished):
    finished.claim(overwrite=True)
    names = {path.name for path in finished.path.iterdir()}
    assert names == {"notes.txt", "data", "previous-1"}
    previous = [RunFolder(finished.path / f"previous-{n}") for n in (1, 2)]
    assert (previous[0].model / "weights").read_text() == "precious"
    finished.report.write_text("second")
    finished.claim(overwrite=True)
    assert [run.report.read_text() for run in previous] == ["first", "second"]


def test_folder_with_other_files_is_free(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert RunFolder(tmp_path).claim().path == tmp_path


def test_contradiction_and_file_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="exclude each other"):
        RunFolder(tmp_path).claim(resume=True, overwrite=True)
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="cannot be created as a run folder"):
            RunFolder(folder).claim()


def test_provenance_keeps_what_it_knows_and_adds_what_is_new(tmp_path):
    run, dataset = RunFolder(tmp_path / "run").claim(), tmp_path / "d" / "subjects.csv"
    assert run.read_provenance() == {}
    assert run.dataset() is None
    append_record(run.metrics, {"stage": "lam", "seconds": 1.0})
    append_record(run.metrics, {"stage": "lam", "seconds": 2.0})
    run.write_provenance(3, dataset, seconds={"evaluate": 5.0})
    first = run.read_provenance()
    assert first["dataset"] == "../d/subjects.csv"
    assert (first["seed"], first["seconds"]) == (3, {"lam": 2.0, "evaluate": 5.0})
    assert {"command", "packages", "platform"} <= set(first)
    assert run.dataset() == dataset
    append_record(run.metrics, {"stage": "train", "seconds": 7.0})
    run.write_provenance(3, dataset)
    times = {"lam": 2.0, "evaluate": 5.0, "train": 7.0}
    assert run.read_provenance() == first | {"seconds": times}


def test_provenance_says_how_long_a_stage_waited_for_images(tmp_path):
    run = RunFolder(tmp_path)
    for step, waited in ((1, 0.5), (2, 1.5)):
        times = {"seconds": 10.0 * step, "waited": waited}
        append_record(run.metrics, {"stage": "train", "step": step} | times)
    append_record(run.metrics, {"stage": "lam", "step": 1, "seconds": 3.0})
    run.write_provenance(0, tmp_path / "subjects.csv")
    found = run.read_provenance()["share_of_time_waiting_for_images"]
    assert found == {"train": 0.1}


def test_dataset_moves_with_the_folder_around_both(tmp_path):
    run = RunFolder(tmp_path / "old" / "run").claim()
    run.write_provenance(0, tmp_path / "old" / "subjects.csv")
    (tmp_path / "old").rename(tmp_path / "new")
    moved = RunFolder(tmp_path / "new" / "run")
    assert moved.dataset() == tmp_path / "new" / "subjects.csv"


def test_simulated_subjects_are_the_dataset_of_a_run_that_names_none(tmp_path):
    run = RunFolder(tmp_path)
    run.data.mkdir()
    (run.data / "dataset.csv").write_text("")
    assert run.dataset() == tmp_path / "data" / "dataset.csv"
