"""The verbs that work on a run: what they hand on, what they keep, what they print."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoreg_jax import config, data, files, geometry, inference, studies, workflows
from autoreg_jax.cli import _reproduce
from autoreg_jax.errors import ConfigError
from autoreg_jax.programs import make_structure, weights_of
from autoreg_jax.search_space import Genotype
from autoreg_jax.studies import Column, Table
from autoreg_jax.studies.reproduce import EXPERIMENTS, Reproduction, _paper
from autoreg_jax.workflows import _from_model, _run_steps
from autoreg_jax.workflows.evaluation import _external
from autoreg_jax.workflows.planning import _prepare

LAM = {"full": 9.0, "smooth": 14.0, "half": 3.0, "quarter": 0.5}
SUMMARY = {
    "pairs": 2,
    "dice_before": {"mean": 0.5, "sd": 0.1},
    "dice": {"mean": 0.71, "sd": 0.05},
    "dice_refined": {"mean": 0.76, "sd": 0.04},
    "displacement_error": {"mean": 2.345, "sd": 0.2},
    "folding_fraction": {"mean": 0.001, "sd": 0.0},
    "seconds_per_pair": {"mean": 0.06, "sd": 0.01},
}


@pytest.fixture
def calls(monkeypatch, model):
    """Replace the long jobs by records of how they were called."""
    # The images are noise, of which no alignment is trusted; runs say so.
    monkeypatch.setattr(_prepare, "make_align", lambda kind, reference: None)
    made = []
    loaded = inference.load_model(model)
    evaluation = workflows.Evaluation(SUMMARY, [])

    def job(name, result):
        def call(*values, **options):
            made.append((name, values, options))
            if name == "search":
                folder = options["run"]
                (folder / "genotype.json").write_text(result.genotype.to_json())
                start = weights_of(values[2].objective)
                content = {"format": 1, "lam": LAM, "lam_start": start}
                files.write_json(folder / "objective.json", content)
            if name == "train":
                record = {"stage": "train", "step": 2, "seconds": 1.5, "loss": -0.25}
                files.append_record(options["run"] / "metrics.jsonl", record)
                loaded.save(options["run"] / "model")
            return result

        where = workflows if name in ("auto", "demo") else _run_steps
        monkeypatch.setattr(where, name, call)
        if name == "evaluate":
            monkeypatch.setattr(_external, name, call)

    genotype = Genotype.uniform("dil_conv_3")
    job("search", workflows.SearchResult(genotype, None, LAM, LAM, []))
    job("train", loaded)
    job("evaluate", evaluation)
    job("auto", evaluation)
    job("demo", evaluation)
    return made


def test_the_steps_of_a_run(command, calls, dataset, tmp_path):
    run = tmp_path / "run"
    words = ["--config", "smoke", "--set", "train.steps=7", "seed=3", "--set", "seed=4"]
    code, out, err = command("search", dataset, "-o", run, *words)
    assert (code, err) == (0, "")
    assert "dil_conv_3" in out
    assert f"next: autoreg train {run}" in out
    name, (train, validation, settings), options = calls.pop()
    assert (name, options) == ("search", {"run": run, "resume": False})
    assert (settings.seed, settings.train.steps) == (4, 7)
    assert (train.names, validation.names) == (("s0", "s3"), ("s1", "s4"))
    assert config.load(run / "config.yaml") == settings

    code, out, err = command("train", run, "--set", "train.steps=9")
    assert (code, err) == (0, "")
    assert "-0.25" in out
    _, (cohort, settings, genotype, lam), options = calls.pop()
    assert cohort.names == ("s0", "s3")
    assert options["validation"].names == ("s1", "s4")
    assert (settings.seed, settings.train.steps) == (4, 9)
    assert (genotype, lam) == (Genotype.uniform("dil_conv_3"), LAM)
    assert config.load(run / "config.yaml") == settings

    code, out, err = command("train", run)
    assert code == 2
    assert "--resume" in err
    assert command("train", run, "--resume")[0] == 0
    assert calls.pop()[2]["resume"] is True

    code, out, err = command("evaluate", run, "--set", "evaluate.pairs=2", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["dice"] == SUMMARY["dice"]
    _, (cohort, trained, settings), options = calls.pop()
    assert cohort.names == ("s2", "s5")
    assert isinstance(trained, inference.RegistrationModel)
    assert settings.evaluate.pairs == 2
    assert options == {"run": run}
    provenance = files.read_json(run / "provenance.json")
    assert provenance["dataset"] == "../subjects"
    assert provenance["seconds"] == {"train": 1.5}


def test_a_model_is_trained_further(command, calls, dataset, model, tmp_path):
    run = tmp_path / "run"
    words = ("--dataset", dataset, "--freeze", "features")
    code, _, err = command("train", run, "--from", tmp_path / "wrong", *words)
    assert (code, err.count("\n")) == (2, 1)
    assert "no model in" in err
    assert not run.exists()
    code, _, err = command("train", run, "--from", model)
    assert code == 2
    assert "--dataset" in err
    assert command("train", run, "--from", model, *words)[0] == 0
    about = inference.load_model(model)
    _, (cohort, settings, genotype, lam), options = calls.pop()
    assert cohort.names == ("s0", "s3")
    assert settings.train.freeze == "features"
    assert (genotype, lam) == (about.description.genotype, about.description.lam)
    assert make_structure(settings) == about.description.structure
    assert settings.network.width == about.description.width
    assert options["initial"].digest == about.digest
    origin = files.read_json(run / "provenance.json")["initial"]
    assert origin["sha256"] == about.digest
    assert (run / origin["path"]).resolve() == model.resolve()
    code, _, err = command("train", run, "--from", model, *words)
    assert code == 2
    assert "already contains a run" in err
    assert command("train", run, "--resume")[0] == 0
    assert calls.pop()[2]["initial"].digest == about.digest


def test_an_included_model_is_named(
    command, calls, dataset, tmp_path, monkeypatch, caplog
):
    run = tmp_path / "run"
    monkeypatch.setattr(_from_model, "layout_of", lambda *_: None)  # it takes seconds
    monkeypatch.setattr(_from_model, "trained_vector", lambda *_: None)
    assert command("train", run, "--from", "brain", "--dataset", dataset)[0] == 0
    origin = files.read_json(run / "provenance.json")["initial"]
    own = inference.load_model("brain")
    assert origin == {"included": "brain", "sha256": own.digest}
    own.save(tmp_path / "brain")
    monkeypatch.chdir(tmp_path)
    assert inference.load_model("brain").path == Path("brain")
    assert "folder brain here, not the included one" in caplog.text


def test_a_finished_training_goes_on(command, calls, dataset, model, tmp_path):
    run = tmp_path / "run"
    words = ("--dataset", dataset, "--set", "train.steps=5")
    assert command("train", run, "--from", model, *words)[0] == 0
    assert "no finished training" in command("train", run, "--more", 7)[2]
    record = {"stage": "train", "step": 5, "seconds": 1.5, "loss": -0.25}
    files.append_record(run / "metrics.jsonl", record)
    assert command("train", run, "--more", 7, "--minutes", 3)[0] == 0
    _, (_, settings, _, _), options = calls.pop()
    train = settings.train
    assert (train.steps, train.restart, train.minutes) == (12, 5, 3)
    assert options["resume"] is True
    assert "exclude each other" in command("train", run, "--more", 7, "--resume")[2]
    record = {"stage": "train", "step": 8, "seconds": 2.0, "stopped": "time"}
    files.append_record(run / "metrics.jsonl", record)
    before = (run / "config.yaml").read_text()
    code, _, err = command("train", run, "--resume", "--minutes", 60)
    assert code != 0
    assert "finished after 8 steps; to continue it with other settings use" in err
    for setting in ("network.velocities=replaced", "quirks.shared_head=true"):
        code, _, err = command("train", run, "--more", 2, "--set", setting)
        assert (code, setting.partition("=")[0] in err) == (2, True)
        assert "keep the settings of its training" in err
    assert (run / "config.yaml").read_text() == before


def test_what_is_set_beside_a_model_is_used_or_named(
    command, calls, dataset, model, tmp_path
):
    learned = inference.load_model(model)
    # As after a training in which contrasts change: refined by MIND, learned by NCC.
    about = replace(learned.description, similarity="mind", loss_similarity="ncc")
    model = replace(learned, description=about).save(tmp_path / "any_contrast")
    run, words = tmp_path / "run", ("--from", model, "--dataset", dataset, "--set")
    words += ("objective.full=99", "objective.extra.eighth=5", "network.scales=3")
    code, _, err = command("train", run, *words)
    assert code == 0
    lam = inference.load_model(model).description.lam
    used = lam | {"full": 99.0, "eighth": 5.0}
    assert calls.pop()[1][3] == used
    assert weights_of(config.load(run / "config.yaml").objective) == used
    for said in (
        "network.scales: 3 is not used: the network is that of the model, 2.",
        f"λ full is 99, as set; the model has {lam['full']:.4g}.",
        "λ eighth is 5, as set; the model has none.",
    ):
        assert said in err
    assert command("train", run, "--resume")[0] == 0
    assert calls.pop()[1][3] == used


def test_a_model_of_other_axes_is_no_start(command, dataset, tmp_path, monkeypatch):
    words = ("--dataset", dataset, "--from", "brain")
    flat = geometry.Volume(np.ones((4, 4)), np.eye(4))
    monkeypatch.setattr(_from_model, "read_image", lambda path: flat)
    code, _, err = command("train", tmp_path / "run", *words)
    assert (code, "images of 3 axes, but those of the dataset have 2" in err) == (
        2,
        True,
    )
    assert not (tmp_path / "run").exists()


def test_a_dataset_that_moved(command, calls, dataset, tmp_path):
    run = tmp_path / "run"
    assert command("search", dataset, "-o", run, "--config", "smoke")[0] == 0
    there = dataset.rename(tmp_path / "moved")
    code, _, err = command("train", run)
    assert code == 2
    assert f"{dataset} does not exist" in err
    assert command("train", run, "--dataset", there)[0] == 0
    assert calls[-1][0] == "train"


def test_settings_of_a_run_that_goes_on(command, calls, dataset, tmp_path):
    run = tmp_path / "run"
    words = ["search", dataset, "-o", run]
    assert command(*words, "--config", "smoke", "--set", "seed=5")[0] == 0
    assert command(*words, "--resume")[0] == 0
    assert calls.pop()[1][2].seed == 5
    code, _, err = command(*words, "--resume", "--set", "seed=6")
    assert code == 2
    assert "other settings" in err


def test_estimators_of_all_stages_or_of_one(command, calls, dataset, tmp_path):
    words = ["--config", "smoke", "--hypergradient", "first_order", "lam=unroll"]
    more = ["--set", "search.lam.hypergradient.steps=3"]
    assert command("search", dataset, "-o", tmp_path / "run", *words, *more)[0] == 0
    search = calls.pop()[1][2].search
    assert search.strategy == "darts"  # the one that has hypergradients
    assert search.hypergradient.name == "first_order"
    assert search.lam.hypergradient == config.HypergradientConfig(
        name="unroll", steps=3
    )
    assert search.feature.hypergradient is None
    code, _, err = command("auto", dataset, "-o", tmp_path / "other", *words[:4])
    assert code == 2
    assert "search.lam.hypergradient.name=one_step_unroll" in err
    code, _, err = command("demo", "--hypergradient", "newton")
    assert code == 2
    assert "conjugate_gradient" in err


def test_time_for_the_search(command, calls, dataset, tmp_path):
    run = tmp_path / "run"
    words = ["search", dataset, "-o", run, "--minutes", "2.5"]
    assert command(*words)[0] == 0
    assert calls.pop()[1][2].search.minutes == 2.5
    assert command(*words, "--resume")[0] == 0
    assert command(*words[:4], "--resume")[0] == 0
    assert calls.pop()[1][2].search.minutes == 2.5
    code, _, err = command(*words[:5], "3", "--resume")
    assert code == 2
    assert "--minutes" in err
    assert command("auto", dataset, "-o", run, "--minutes", "1")[0] == 0
    assert calls.pop()[1][2].search.minutes == 1.0
    assert command("demo", "-o", run, "--minutes", "4")[0] == 0
    assert calls.pop()[2]["config"].search.minutes == 4.0
    code, _, err = command("demo", "--minutes", "0")
    assert code == 2
    assert "search.minutes" in err


def test_compare(command, monkeypatch, tmp_path):
    def compare(problem, folder, **options):
        made.append((problem, folder, options))
        estimate = {"weights": "here", "estimator": "one step", "flops": 4e9}
        cleaned = {"estimator": "one step", "valid_loss": 0.6, "valid_loss_sd": 0.2}
        estimates = Table([estimate | {"relative_error": 0.25}], ())
        return {"estimates": estimates, "cleaning": Table([cleaned], ())}

    made = []
    monkeypatch.setattr(studies, "compare", compare)
    words = ["compare", "digits", "-o", tmp_path, "--only", "one", "--seeds", "3"]
    code, out, err = command(*words, "--set", "network.width=0.5")
    assert (code, err) == (0, "")
    for text in ("estimates, here", "0.600 ± 0.200", "4000", str(tmp_path)):
        assert text in out
    ((problem, folder, options),) = made
    assert (problem, folder) == ("digits", tmp_path)
    assert (options["only"], options["seeds"]) == (["one"], 3)
    assert options["config"].network.width == 0.5
    code, out, _ = command(*words, "--json")
    assert json.loads(out)["estimates"][0]["relative_error"] == 0.25
    code, _, err = command("compare", "nothing")
    assert code == 2


def test_reproduce_knows_every_experiment_and_scenario():
    assert sorted(_reproduce.NAMES) == sorted(EXPERIMENTS)
    assert sorted(_reproduce.SCENARIOS) == sorted(_paper.SCENARIOS)


def test_reproduce(command, monkeypatch, dataset, tmp_path):
    def reproduce(name, folder, protocol):
        made.append((name, folder, protocol))
        records = [{"source": "start", "term": "smooth", "weight": 15.0}]
        table = Table(records, [Column("λ1", "full", "{:.2f}")], [{"full": 10.0}])
        return Reproduction({"table3": table}, ["As it was."], [folder / "a.png"])

    made = []
    monkeypatch.setattr(studies, "reproduce", reproduce)
    words = ["reproduce", "table3", "--data", dataset, "-o", tmp_path]
    code, out, err = command(*words, "--seeds", "2", "--set", "train.steps=9")
    assert (code, err) == (0, "")
    for text in ("table3", "10.00", "As it was.", "a.png", str(tmp_path)):
        assert text in out
    ((name, folder, protocol),) = made
    assert (name, folder) == ("table3", tmp_path)
    assert (protocol.dataset, protocol.other_dataset) == (dataset, None)
    assert (protocol.seeds, protocol.draws, protocol.dimensions) == (2, 3, 2)
    changed = config.merge(config.load("table2"), {"train": {"steps": 9}})
    assert protocol.config == changed
    shown = json.loads(command(*words, "--json")[1])
    assert shown["table3"][0]["weight"] == 15.0
    assert shown["notes"] == ["As it was."]
    code, _, err = command(*words, "--seeds", "0")
    assert code == 2
    assert "seeds must be at least 1" in err
    assert command("reproduce", "table9")[0] == 2


def test_evaluate_under_several_smoothnesses(command, monkeypatch, tmp_path):
    """Handed on, and printed, the refined columns first to go."""

    def compare(run, factors, settings, *, dataset):
        made.append((run, factors, settings, dataset))
        scores = {"dice": {"mean": 0.75, "sd": 0.02}, "ncc": {"mean": 0.6, "sd": None}}
        scores["folding_fraction"] = {"mean": 0.002, "sd": 0.001}
        return [{"smoothness": factor, **scores} for factor in factors]

    made = []
    monkeypatch.setattr(workflows, "smoothness_run", compare)
    monkeypatch.setattr(workflows, "config_of", lambda run: config.RunConfig())
    words = ["evaluate", tmp_path, "--smoothness", "0.1", "10"]
    code, out, err = command(*words, "--set", "evaluate.pairs=3")
    assert (code, err) == (0, "")
    for text in ("0.1", "10", "0.750 ± 0.020", "0.600", "0.200 ± 0.100"):
        assert text in out
    changed = config.merge(config.RunConfig(), {"evaluate": {"pairs": 3}})
    assert made == [(tmp_path, [0.1, 10.0], changed, None)]
    shown = json.loads(command(*words, "--json")[1])
    assert [row["smoothness"] for row in shown["rows"]] == [0.1, 10.0]


def test_another_smoothness_of_a_usual_network_is_refused(command, model):
    with pytest.raises(ConfigError, match="one smoothness alone"):
        workflows.smoothness_run(model, [2.0])


def test_auto(command, calls, dataset, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    code, out, err = command("auto", dataset, "-o", run, "--set", "train.steps=3")
    assert (code, err) == (0, "")
    for text in ("0.710 ± 0.050", "0.760 ± 0.040", "0.500 ± 0.100", "2.35", "0.100"):
        assert text in out
    assert "report.html" not in out
    _, (table, folder, settings), options = calls.pop()
    assert (table, folder) == (dataset, run)
    assert settings == config.merge(config.load("default"), {"train": {"steps": 3}})
    assert options == {"resume": False, "overwrite": False}
    (run / "report.html").write_text("")
    assert f"report: {run / 'report.html'}" in command("auto", dataset, "-o", run)[1]


def test_demo(command, calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = command("demo", "--dimensions", "2", "--spacing", "3", "--json")
    assert code == 0
    assert json.loads(out)["run"] == "runs/demo"
    _, (run,), options = calls.pop()
    assert run == Path("runs/demo")
    assert (options["dimensions"], options["spacing"]) == (2, 3.0)
    assert options["config"] == config.load("demo")


def test_a_voxel_size_that_cannot_be_simulated_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"spacing: must be 2 to 8 mm, got 1"):
        workflows.demo(tmp_path / "run", spacing=1)
    assert not (tmp_path / "run").exists()


def test_an_interruption_says_how_to_go_on(command, dataset, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(workflows, "auto", stop)
    code, out, err = command("auto", dataset, "-o", tmp_path / "run")
    assert (code, out) == (130, "")
    assert f"autoreg auto {dataset} -o {tmp_path / 'run'} --resume" in err


def test_the_whole_dataset_decides_the_classes(command, calls, dataset, tmp_path):
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    volume = geometry.Volume(np.full((16, 14, 12), 8, np.int32), affine)
    data.write_volume(dataset / "5_labels.nii.gz", volume)
    assert command("search", dataset, "-o", tmp_path / "run")[0] == 0
    train, validation, _ = calls.pop()[1]
    assert train.structures == validation.structures == ("3", "8")


def test_evaluate_on_other_data(command, calls, dataset, model, tmp_path):
    """The test split of any dataset, into a folder of its own."""
    new = tmp_path / "new"
    words = ["evaluate", "--model", model, "--dataset", dataset, "-o", new]
    code, out, err = command(*words, "--set", "evaluate.pairs=2")
    assert (code, err) == (0, "")
    assert f"next: autoreg report {new}" in out
    assert "0.710 ± 0.050" in out
    _, (cohort, loaded, settings), options = calls.pop()
    assert (cohort.names, cohort.spacing) == (("s2", "s5"), (2.0, 2.0, 2.0))
    assert loaded.digest == inference.load_model(model).digest
    assert (settings.evaluate.pairs, options["run"]) == (2, new)
    made = files.read_json(new / "provenance.json")["model"]
    assert made["sha256"] == loaded.digest
    assert command(*words)[0] == 2
    for words, message in [
        (["--dataset", dataset, "-o", new], "give one model"),
        ([model, "--model", model, "--dataset", dataset, "-o", new], "give one model"),
        (["--model", model, "--dataset", dataset], "-o FOLDER"),
        ([model, "-o", new], "name them with --dataset"),
    ]:
        code, _, err = command("evaluate", *words)
        assert (code, err.count("\n")) == (2, 1)
        assert message in err
