"""The tables of the paper on a stand-in network: what is run, kept and said."""

import csv
import dataclasses
import re
import shutil

import numpy as np
import pytest
from stand_in import SmallNetwork, write_dataset

from autoreg_jax import config, data, workflows
from autoreg_jax.errors import ConfigError, DataError
from autoreg_jax.files import read_json, read_records, write_json
from autoreg_jax.inference import ModelDescription, RegistrationModel, load_model
from autoreg_jax.runtime import RunFolder
from autoreg_jax.search_space import OPERATIONS, ArchitectureLogits, Genotype
from autoreg_jax.studies import Protocol, reproduce
from autoreg_jax.studies.reproduce import _paper
from autoreg_jax.studies.reproduce._ablation import (
    COLUMNS,
    HAND_MADE,
    SEARCHED,
    ablation_findings,
    ablation_table,
    model_records,
    random_genotype,
)
from autoreg_jax.studies.reproduce._runs import TrainedModel
from autoreg_jax.studies.reproduce._whole import Whole, lambda_table
from autoreg_jax.workflows import Evaluation, SearchResult, read_evaluation

MODELS = ["elsewhere", *(c for c in COLUMNS if c not in ("elsewhere", "random"))]


@pytest.fixture(scope="module")
def protocol(settings, cohorts, dataset, tmp_path_factory):
    """One seed with two random genotypes."""
    there = tmp_path_factory.mktemp("there")
    few = config.merge(settings, {"seed": 3, "evaluate": {"refine": {"steps": 0}}})
    return Protocol(
        config=few,
        dataset=dataset,
        other_dataset=write_dataset(there, cohorts[::-1]),
        seeds=1,
        draws=2,
        scenario="knee",
        network=SmallNetwork,
    )


def planned(folder, protocol, *, dataset=None):
    """Plan without alignment: the subjects are aligned, but too small to see it."""
    workflows.plan(dataset or protocol.dataset, folder, protocol.config)
    plan = folder / "plan.yaml"
    text, count = re.subn("(?m)^affine: .*", "affine: none", plan.read_text())
    assert count == 1
    plan.write_text(text)
    return folder


@pytest.fixture(scope="module")
def done(protocol, tmp_path_factory):
    """Table II and its folder."""
    folder = planned(tmp_path_factory.mktemp("table2"), protocol)
    planned(folder / "elsewhere", protocol, dataset=protocol.other_dataset)
    return reproduce("table2", folder, protocol), folder


def read_rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def genotype_of(folder, model):
    return load_model(folder / "seed3" / model).description.genotype


def test_each_column_has_its_architecture_and_its_weights(done):
    _, folder = done
    search = folder / "seed3" / "search"
    found = Genotype.from_json((search / "genotype.json").read_text())
    start, lam = (
        read_json(search / "objective.json")[name] for name in ("lam_start", "lam")
    )
    alone = read_json(folder / "seed3" / "search_lam" / "objective.json")
    assert alone["lam_start"] == start
    assert start not in (lam, alone["lam"])
    records = read_records(folder / "seed3" / "search_lam" / "metrics.jsonl")
    assert {record["stage"] for record in records} == {"lam"}
    expected = {
        "elsewhere": (HAND_MADE, start),
        "omega": (HAND_MADE, start),
        "feature": (Genotype(found.feature, HAND_MADE.deformation), start),
        "deformation": (Genotype(HAND_MADE.feature, found.deformation), start),
        "lam": (HAND_MADE, alone["lam"]),
        "architecture": (found, start),
        "all": (found, lam),
        "random0": (random_genotype(3, 0), start),
        "random1": (random_genotype(3, 1), start),
    }
    rows = read_rows(folder / "table2_models.csv")
    assert {row["model"] for row in rows} == set(expected)
    for name, (genotype, weights) in expected.items():
        about = load_model(folder / "seed3" / name).description
        assert (about.genotype, about.lam) == (genotype, weights), name
    trained_on = {
        name: read_json(folder / "seed3" / name / "provenance.json")["trained_on"]
        for name in expected
    }
    assert {name for name, path in trained_on.items() if "there" in path} == {
        "elsewhere"
    }


def test_files_hold_the_scores_of_the_runs(done):
    found, folder = done
    rows = {row["column"]: row for row in found.tables["table2"].records}
    assert list(rows) == ["before", *COLUMNS]
    for name in MODELS:
        summary = read_evaluation(folder / "seed3" / name).summary
        row = rows[name]
        assert row["models"] == 1
        assert (row["dice"], row["dice_pairs_sd"]) == (
            summary["dice"]["mean"],
            summary["dice"]["sd"],
        )
        assert row["ncc"] == summary["ncc"]["mean"]
        assert np.isnan([row["dice_models_sd"], row["displacement_error"]]).all()
        assert rows["before"]["dice"] == pytest.approx(summary["dice_before"]["mean"])
    draws = [
        read_evaluation(folder / "seed3" / f"random{draw}").summary["dice"]["mean"]
        for draw in range(2)
    ]
    row = rows["random"]
    assert (row["models"], row["dice_lowest"], row["dice_highest"]) == (
        2,
        min(draws),
        max(draws),
    )
    assert row["dice_models_sd"] == pytest.approx(abs(draws[0] - draws[1]) / np.sqrt(2))
    stored = read_rows(folder / "table2.csv")
    assert [float(r["dice"]) for r in stored] == [row["dice"] for row in rows.values()]
    text = (folder / "table2.md").read_text()
    assert "paper, knee" in text
    assert "0.616 ± 0.150" in text
    assert all(note in text for note in found.notes)
    assert len(found.notes) == 1 + len(SEARCHED) + 1
    assert found.notes[-1].startswith("The paper's figures are of its own data")
    assert [path.name for path in found.figures] == ["table2.png"]
    assert (folder / "table2.png").read_bytes().startswith(b"\x89PNG")


def test_all_models_register_the_same_pairs(done):
    _, folder = done
    pairs = {
        tuple((row["fixed"], row["moving"]) for row in read_rows(path))
        for path in folder.glob("seed3/*/evaluation.csv")
    }
    assert len(pairs) == 1


def written(folder):
    """When each result of a run was written."""
    names = ("metrics.jsonl", "weights.npz", "evaluation.json")
    files = (path for name in names for path in folder.rglob(name))
    return {path: path.stat().st_mtime_ns for path in files}


def test_finished_runs_are_not_repeated(done, protocol):
    found, folder = done
    before = written(folder)
    again = reproduce("table2", folder, protocol)
    np.testing.assert_equal(
        again.tables["table2"].records, found.tables["table2"].records
    )
    assert again.notes == found.notes
    costs = reproduce("table1", folder, protocol).tables["table1"]
    (row,) = costs.records
    stages = ("feature_seconds", "deformation_seconds", "lam_seconds")
    assert row["search_seconds"] == pytest.approx(sum(row[name] for name in stages))
    assert min(row.values()) > 0
    assert costs.cells[-1] == ("paper", "", "", "", "22 h", "23 h", "0.96")
    fields = ("dataset", "other_dataset")
    by_folder = {key: getattr(protocol, key).parent for key in fields}
    named = dataclasses.replace(protocol, **by_folder)
    assert reproduce("table2", folder, named).notes == found.notes
    weights = reproduce("table3", folder, protocol).tables["table3"]
    sources = [record["source"] for record in weights.records]
    assert sources == [x for x in ("start", "seed 3", "paper, knee") for _ in range(4)]
    smooth = {"source": "paper, knee", "term": "smooth", "weight": 12.05}
    assert weights.records[-3] == smooth
    assert weights.cells[-1] == ("paper, knee", "9.32", "12.05", "6.33", "3.31")
    ours = reproduce("table5", folder, protocol).tables["table5"]
    assert [record["method"] for record in ours.records] == ["before", "network"]
    for name, count in (("figure3", 1), ("figure4", 1), ("figure5", 3)):
        paths = reproduce(name, folder, protocol).figures
        assert len(paths) == count
        assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert written(folder) == before


@pytest.mark.slow
def test_times_of_the_network_and_its_rivals(done, protocol):
    _, folder = done
    rows = reproduce("table6", folder, protocol).tables["table6"].records
    assert [row["method"] for row in rows] == list(_paper.SPEED)
    assert {row["shape"] for row in rows} == {"160×192"}
    assert all(row["seconds_first"] > row["seconds"] > 0 for row in rows)
    about = read_rows(folder / "table2_models.csv")
    ours = next(float(row["parameters"]) for row in about if row["model"] == "all")
    assert rows[0]["parameters"] == ours
    assert [row["paper_parameters"] for row in rows] == [0.852, 0.526, 1.146, 1.016]


def test_an_atlas_is_the_fixed_image_of_every_pair(protocol, tmp_path):
    table = data.read_dataset(protocol.dataset)
    first = dataclasses.replace(protocol, scenario="oasis")
    planned(tmp_path / "atlas", protocol)
    found = reproduce("table4", tmp_path, first)
    atlas = table.subjects[0].name
    assert found.notes[0] == f"The fixed image of every pair, the atlas, is {atlas}."
    (path,) = tmp_path.glob("atlas/seed3/all/evaluation.csv")
    assert {row["fixed"] for row in read_rows(path)} == {atlas}
    papers = [record["paper_dice"] for record in found.tables["table4"].records]
    assert papers == [0.580, 0.788]
    # One that is named is taken, and needs a folder of its own.
    named = config.merge(protocol.config, {"pairs": {"fixed": table.subjects[1].name}})
    with pytest.raises(ConfigError, match="other settings or data"):
        reproduce("table4", tmp_path, dataclasses.replace(first, config=named))
    for name in ("table2", "table3"):
        with pytest.raises(ConfigError, match=f"has no {name} of 'oasis'"):
            reproduce(name, tmp_path, first)


def test_extra_terms_have_columns_and_rows(tmp_path):
    lam = {"full": 1.0, "smooth": 2.0, "half": 3.0, "quarter": 4.0, "bending": 0.25}
    alpha = ArchitectureLogits(np.zeros((2, 3, 8)), np.zeros((2, 3, 8)))
    search = SearchResult(HAND_MADE, alpha, lam | {"bending": 0.5}, lam, [])
    trained = model(3, "all", 0.6)
    one = Whole(3, search, trained, RunFolder(tmp_path), RunFolder(tmp_path))
    table = lambda_table([one], "knee")
    assert table.header[-1] == "λ5, bending"
    assert [row[-1] for row in table.cells] == ["0.25", "0.50", ""]
    assert {"source": "seed 3", "term": "bending", "weight": 0.5} in table.records
    network = RegistrationModel(description(bending=0.25), {})
    (row,) = model_records([model(0, "omega", 0.6)._replace(model=network)])
    assert (row["smooth"], row["extra"]) == (2.0, "bending=0.25")


def test_a_run_that_was_not_evaluated_is_resumed(done, protocol, tmp_path):
    found, folder = done
    for name in ("search", "all"):
        shutil.copytree(folder / "seed3" / name, tmp_path / "seed3" / name)
    shutil.copy(folder / "plan.yaml", tmp_path)
    moved = {name: folder / "seed3" / name for name in ("search", "all")}
    for name, source in moved.items():
        about = read_json(source / "provenance.json")
        origin = {key: source / about[key] for key in ("dataset", "trained_on")}
        run = RunFolder(tmp_path / "seed3" / name)
        about |= {key: run.relative(path.resolve()) for key, path in origin.items()}
        write_json(run.provenance, about)
    for path in (tmp_path / "seed3" / "all").glob("evaluation*"):
        path.unlink()
    before = written(tmp_path)
    again, network = reproduce("table5", tmp_path, protocol).tables["table5"].records
    rows = {row["column"]: row for row in found.tables["table2"].records}
    assert again["dice"] == pytest.approx(rows["before"]["dice"])
    assert network["dice"] == rows["all"]["dice"]
    assert {path: written(tmp_path)[path] for path in before} == before


def test_time_runs_out(done, protocol, tmp_path):
    _, folder = done
    short = dataclasses.replace(protocol, minutes=1e-9, seeds=2)
    planned(tmp_path, protocol)
    nothing = reproduce("table2", tmp_path, short)
    assert not nothing.tables
    assert nothing.notes[0].startswith("Seed 3 is not finished after 1e-09 minutes")
    partly = reproduce("table2", folder, short)
    assert partly.tables["table2"].records[1]["models"] == 1
    assert partly.notes[-2].startswith("Seed 4 is not finished")


def test_other_settings_or_data_need_another_folder(done, protocol):
    _, folder = done
    changed = config.merge(protocol.config, {"train": {"steps": 7}})
    for change, message in (
        ({"config": changed}, "other settings or data"),
        ({"dataset": protocol.other_dataset}, "is the plan of"),
        ({"other_dataset": protocol.dataset}, "is the plan of"),
    ):
        with pytest.raises(ConfigError, match=message):
            reproduce("table2", folder, dataclasses.replace(protocol, **change))


def test_dice_needs_labels(protocol, cohorts, tmp_path):
    bare = write_dataset(tmp_path / "bare", cohorts, with_labels=False)
    other = dataclasses.replace(protocol, dataset=bare)
    planned(tmp_path / "run", protocol, dataset=bare)
    with pytest.raises(DataError, match="'test' have no label maps"):
        reproduce("table2", tmp_path / "run", other)


def test_bad_protocol(protocol, tmp_path):
    for change in ({"dimensions": 4}, {"seeds": 0}, {"draws": -1}, {"minutes": 0}):
        with pytest.raises(ValueError, match="must be"):
            dataclasses.replace(protocol, **change)
    with pytest.raises(ValueError, match="name must be one of"):
        reproduce("table9", tmp_path, protocol)


def test_random_genotypes_use_every_operation_equally():
    drawn = [random_genotype(seed, draw) for seed in range(20) for draw in range(10)]
    assert random_genotype(4, 2) == drawn[42]
    assert len(set(drawn)) == 200
    for kind in ("feature", "deformation"):
        edges = np.array([getattr(genotype, kind) for genotype in drawn])
        shares = [np.mean(edges == name) for name in OPERATIONS]
        # 1200 edges: five standard deviations of a share of 1/8 are 0.048.
        np.testing.assert_allclose(shares, 1 / 8, atol=0.048)


def model(seed, name, dice, sd=0.1, **scores):
    summary = {
        "dice": {"mean": dice, "sd": sd},
        "dice_before": {"mean": 0.5, "sd": 0.2},
    }
    evaluation = Evaluation(summary | scores, [])
    params = {"kernel": np.zeros(250_000)}
    network = RegistrationModel(description(), params)
    return TrainedModel(seed, name, network, 1.0, evaluation)


def description(**further):
    lam = {"full": 1.0, "smooth": 2.0, "half": 1.0, "quarter": 1.0}
    return ModelDescription(
        genotype=HAND_MADE,
        width=1.0,
        num_steps=7,
        matching=None,
        orientation="RAS",
        spacing=(1.0, 1.0),
        lam=lam | further,
        similarity="ncc",
        windows=(9, 7, 5),
    )


def test_records_are_means_over_models():
    models = [
        model(0, "omega", 0.6, 0.1, displacement_error={"mean": 2.0, "sd": None}),
        model(1, "omega", 0.8, 0.3, displacement_error={"mean": 4.0, "sd": None}),
        model(1, "random0", 0.7),
    ]
    table = ablation_table(models, "knee")
    before, omega, random = table.records
    assert (before["dice"], before["models"]) == (0.5, 0)
    assert before["dice_pairs_sd"] == pytest.approx(0.2)
    assert omega["dice"] == pytest.approx(0.7)
    assert omega["dice_pairs_sd"] == pytest.approx(0.2)
    assert omega["dice_models_sd"] == pytest.approx(0.2 / np.sqrt(2))
    gains = [omega["dice_gain"], random["dice_gain"]]
    assert gains == pytest.approx([0.0, -0.1])
    assert (omega["dice_lowest"], omega["dice_highest"]) == (0.6, 0.8)
    assert omega["displacement_error"] == pytest.approx(3.0)
    assert omega["parameters"] == 0.25
    assert (omega["paper_dice"], omega["paper_dice_sd"]) == (0.588, 0.157)
    unknown = [random[name] for name in ("paper_dice", "dice_models_sd", "ncc")]
    assert np.isnan(unknown).all()
    assert table.header[-1] == "paper, knee"
    assert table.cells[0][:4] == ("before", "0.500 ± 0.200", "-0.2333", "")
    assert table.cells[1][1:4] == ("0.700 ± 0.200", "+0.0000", "0.1414")
    assert table.cells[1][-1] == "0.588 ± 0.157"
    assert ablation_table(models, None).header == table.header[:-1]


def test_findings_follow_from_the_numbers():
    scores = {
        "omega": {0: [0.70], 1: [0.72]},
        "feature": {0: [0.704], 1: [0.724]},
        "lam": {0: [0.72], 1: [0.75]},
        "all": {0: [0.68], 1: [0.69]},
        "random": {0: [0.70, 0.71], 1: [0.71, 0.72]},
    }
    searched = ("feature", "lam", "all")
    random, feature, lam, everything = ablation_findings(scores, COLUMNS, searched)
    assert random == (
        "Random genotypes: Dice 0.7100, standard deviation 0.0082 over 4 draws, from "
        "0.7000 to 0.7200; the hand-made one: 0.7100."
    )
    assert feature == (
        "ω, α_F: +0.0040 Dice (± 0.0000 over 2 seeds), within one standard deviation "
        "(0.0082) of random genotypes; above 3 of 4 of them."
    )
    assert "ω, λ: +0.0250 Dice (± 0.0071 over 2 seeds), more than one" in lam
    assert "above 4 of 4" in lam
    assert "-0.0250 Dice (± 0.0071 over 2 seeds), a loss of more than" in everything
    assert "above 0 of 4" in everything
    few = {**scores, "random": {0: [0.7]}}
    lines = ablation_findings(few, COLUMNS, ["lam"])
    assert lines[0].startswith("Fewer than two random genotypes")
    assert lines[1] == "ω, λ: +0.0250 Dice (± 0.0071 over 2 seeds)."


def test_every_scenario_of_the_paper_is_whole():
    assert _paper.ABLATION.keys() == _paper.LAMBDA.keys()
    assert _paper.DICE.keys() == _paper.SCENARIOS.keys() > _paper.LAMBDA.keys()
    # The best columns of Table II, in the order of its rows.
    best = [max(row, key=row.__getitem__) for row in _paper.ABLATION.values()]
    assert best == ["feature", "feature", "feature", "feature", "lam"]
