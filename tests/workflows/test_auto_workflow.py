"""The whole job on files, and what it does when it cannot be done."""

import json
import logging
import shutil
import sys
from functools import partial

import numpy as np
import pytest
from stand_in import auto, demo

from autoreg_jax import config, data, geometry
from autoreg_jax.errors import ArtifactError, ConfigError, DataError
from autoreg_jax.files import read_json, read_records, write_json
from autoreg_jax.inference import load_model
from autoreg_jax.workflows import _auto, plan

FILES = {
    "checkpoints",
    "config.yaml",
    "evaluation.csv",
    "evaluation.json",
    "evaluation_pairs.csv",
    "genotype.json",
    "metrics.jsonl",
    "model",
    "objective.json",
    "panels.npz",
    "plan.yaml",
    "provenance.json",
    "report.html",
}


@pytest.fixture(scope="module")
def dataset(cohorts, tmp_path_factory):
    """The tiny cohorts as files."""
    folder = tmp_path_factory.mktemp("dataset")
    lines = ["subject,image,labels,split"]
    for split, cohort in zip(("train", "validation", "test"), cohorts, strict=True):
        for index, name in enumerate(cohort.names):
            image = geometry.Volume(cohort.images[index, ..., 0], cohort.affine)
            labels = geometry.Volume(cohort.labels[index], cohort.affine)
            data.write_volume(folder / f"{name}.nii.gz", image)
            data.write_volume(folder / f"{name}_seg.nii.gz", labels)
            lines.append(f"{name},{name}.nii.gz,{name}_seg.nii.gz,{split}")
    (folder / "dataset.csv").write_text("\n".join(lines) + "\n")
    return folder / "dataset.csv"


@pytest.fixture(scope="module")
def done(dataset, settings, tmp_path_factory):
    """A whole run."""
    run = tmp_path_factory.mktemp("auto") / "deep" / "run"
    return auto(dataset, run, settings), run


@pytest.fixture(scope="module")
def lean(settings):
    """A training and an evaluation, neither search nor refinement."""
    none = {"steps": 0, "warm_up": 0}
    stages = dict.fromkeys(("feature", "deformation", "lam"), none)
    return config.merge(
        settings, {"search": stages, "evaluate": {"refine": {"steps": 0}}}
    )


# Drawing the page takes seconds.
quick = partial(auto, with_report=False)


def test_run_folder_is_complete(done, dataset, settings):
    evaluation, run = done
    assert {path.name for path in run.iterdir()} == FILES
    assert config.load(run / "config.yaml") == settings
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["seed"] == settings.seed
    assert (run / provenance["dataset"]).resolve() == dataset
    stages = {"feature", "deformation", "lam", "train", "evaluate"}
    assert set(provenance["seconds"]) == stages
    assert all(seconds > 0 for seconds in provenance["seconds"].values())
    summary = read_json(run / "evaluation.json")
    assert summary == evaluation.summary
    assert summary["pairs"] == 4
    assert load_model(run).description.spacing == (2.0, 2.0)
    assert "<html" in (run / "report.html").read_text()


def test_trained_with_the_lambda_that_was_found(done):
    objective = json.loads((done[1] / "objective.json").read_text())
    assert load_model(done[1]).description.lam == objective["lam"]
    assert objective["lam"] != objective["lam_start"]


def test_existing_run_is_refused_and_untouched(done, dataset, settings):
    before = {path: path.stat().st_mtime_ns for path in done[1].rglob("*")}
    with pytest.raises(ArtifactError, match="contains a run"):
        auto(dataset, done[1], settings)
    assert {path: path.stat().st_mtime_ns for path in done[1].rglob("*")} == before


def test_an_edited_plan_decides(dataset, lean, tmp_path):
    plan(dataset, tmp_path, lean)
    text = (tmp_path / "plan.yaml").read_text()
    for old, new in (
        ("shape: [16, 16]", "shape: [13, 15]  # mine"),
        ("spacing: [2.0, 2.0]", "spacing: [2.5, 2.25]"),
        ("batch: 1", "batch: 2"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "plan.yaml").write_text(text)
    quick(dataset, tmp_path, lean)
    assert (tmp_path / "plan.yaml").read_text() == text
    assert config.load(tmp_path / "config.yaml") == lean
    description = load_model(tmp_path).description
    assert description.spacing == (2.5, 2.25)
    with np.load(tmp_path / "panels.npz") as panels:
        assert panels["fixed_0"].shape == (13, 15)


def test_finished_run_is_resumed_without_work(done, dataset, settings):
    evaluated = (done[1] / "evaluation.json").stat().st_mtime_ns
    records = (done[1] / "metrics.jsonl").read_bytes()
    seconds = json.loads((done[1] / "provenance.json").read_text())["seconds"]
    again = quick(dataset, done[1], settings, resume=True)
    assert again.summary == done[0].summary
    assert (done[1] / "evaluation.json").stat().st_mtime_ns == evaluated
    assert (done[1] / "metrics.jsonl").read_bytes() == records
    after = json.loads((done[1] / "provenance.json").read_text())["seconds"]
    assert after == seconds


def test_an_evaluation_of_another_model_is_repeated(
    done, dataset, settings, monkeypatch
):
    made, path = [], done[1] / "evaluation.json"
    text, content = path.read_text(), read_json(path)
    digest = load_model(done[1]).digest
    assert content["model"] == digest
    write_json(path, content | {"model": "other"}, is_sealed=True)
    monkeypatch.setattr(
        _auto, "evaluate", lambda test, model, *_, **__: made.append(model) or done[0]
    )
    assert quick(dataset, done[1], settings, resume=True) is done[0]
    assert [model.digest for model in made] == [digest]
    path.write_text(text)


def test_interrupted_between_stages_and_resumed(done, dataset, settings, tmp_path):
    def stop(stage, step, state):
        if stage == "train":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick(dataset, tmp_path, settings, observe=stop)
    assert (tmp_path / "objective.json").is_file()
    elsewhere = config.merge(settings, {"mesh": {"pairs": 1}})
    resumed = quick(dataset, tmp_path, elsewhere, resume=True)
    for row, wanted in zip(resumed.rows, done[0].rows, strict=True):
        assert row == wanted
    assert len(read_records(tmp_path / "metrics.jsonl")) == 12


def test_resuming_with_other_settings_is_refused(done, dataset, settings):
    other = config.merge(settings, {"train": {"steps": 7}})
    with pytest.raises(ConfigError, match="started with other settings"):
        auto(dataset, done[1], other, resume=True)
    assert config.load(done[1] / "config.yaml") == settings


def test_overwriting_moves_the_old_run_aside(done, dataset, lean, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(done[1], run)
    quick(dataset, run, lean, overwrite=True)
    assert (run / "previous-1" / "report.html").is_file()
    files = FILES - {"report.html"} | {"previous-1"}
    assert {path.name for path in run.iterdir()} == files


def test_bad_data_write_nothing(dataset, settings, tmp_path):
    folder = tmp_path / "bad"
    shutil.copytree(dataset.parent, folder)
    (folder / "s3-2.nii.gz").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"s3-2\.nii\.gz"):
        auto(folder / "dataset.csv", tmp_path / "run", settings)
    with pytest.raises(DataError, match=r"nothing\.csv"):
        auto(folder / "nothing.csv", tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


def test_missing_report_packages_are_said_and_no_failure(
    done, dataset, settings, monkeypatch, caplog
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with caplog.at_level(logging.WARNING):
        auto(dataset, done[1], settings, resume=True)
    assert "No report.html was written: " in caplog.text


def test_demo_is_auto_on_simulated_subjects(dataset, settings, tmp_path, done):
    run = tmp_path / "demo"
    options = {"dimensions": 2, "config": settings, "with_report": False}
    shutil.copytree(dataset.parent, run / "data")  # as an earlier call has left them
    evaluation = demo(run, **options, resume=True)
    files = FILES - {"report.html"} | {"data"}
    assert {path.name for path in run.iterdir()} == files
    assert evaluation.rows == done[0].rows
    with pytest.raises(ArtifactError, match="contains a run"):
        demo(run, **options)
    assert demo(run, **options, resume=True).summary == evaluation.summary


def test_demo_in_one_dimension_is_refused(tmp_path):
    with pytest.raises(ValueError, match="2 or 3, got 1"):
        demo(tmp_path / "run", dimensions=1)
    assert not (tmp_path / "run").exists()
