"""The registration scenarios of the paper: they load, choose their pairs, and run."""

import json
from dataclasses import replace

import numpy as np
import pytest
from stand_in import auto

from autoreg_jax import config, data
from autoreg_jax.data import PairSampler, evaluation_pairs
from autoreg_jax.errors import DataError
from autoreg_jax.workflows._pairs import (
    pair_sampler,
    roles_of,
    scored_pairs,
    warn_of_unpaired,
)

SCENARIOS = sorted(n for n in config.preset_names() if n.startswith("scenario_"))
ATLAS = "sim001"  # of the training subjects, T1-like


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    """Simulated brains in a plane, T1-like and T2-like in turn."""
    folder = tmp_path_factory.mktemp("population")
    path = data.write_population(
        folder, num_subjects=20, spacing=8.0, dimensions=2, contrast="t1t2"
    )
    lines = path.read_text().replace(",t1,", ",X,").replace(",t2,", ",T1,")
    path.write_text(lines.replace(",X,", ",T2,"))  # the atlas is the second subject
    return path


def at_smoke_size(name, settings):
    """A scenario with the sizes of the tests, and the simulated atlas."""
    scenario = config.load(name)
    fixed = ATLAS if scenario.pairs.fixed else None
    return replace(
        settings,
        pairs=replace(scenario.pairs, fixed=fixed),
        objective=replace(settings.objective, similarity=scenario.objective.similarity),
    )


def test_all_scenarios_of_the_paper_are_there():
    atlases = [f"scenario_atlas_{d}" for d in ("abide", "adni", "hcp", "oasis", "ppmi")]
    others = ["scenario_knee", "scenario_t1_t1", "scenario_t2_t1", "scenario_t2_t2"]
    assert sorted(SCENARIOS) == sorted(atlases + others)


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_says_what_it_needs(name):
    text = config.preset_text(name)
    assert f"autoreg auto DATASET -o runs/{name.removeprefix('scenario_')} " in text
    assert f"--config {name}\n" in text
    assert "\n# Data: " in text
    assert "\n# Expected (Sec. IV-B): " in text
    run = config.load(name)
    assert (run.objective.similarity == "mind") == (name == "scenario_t2_t1")
    assert (run.pairs.fixed == "atlas") == ("_atlas_" in name)
    assert run.search == config.RunConfig().search


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_pairs_of_a_scenario(name, split, population, settings):
    pairs = at_smoke_size(name, settings).pairs
    cohort = data.load_cohort(data.read_dataset(population), split, atlas=pairs.fixed)
    roles = roles_of(cohort, pairs)
    sampler = PairSampler(len(cohort.names), batch_size=132, seed=3, **roles._asdict())
    drawn = set(zip(*(side.tolist() for side in sampler[0]), strict=True))
    assert drawn == set(evaluation_pairs(len(cohort.names), 132, **roles._asdict()))
    assert len(drawn) == sampler.pairs_per_epoch
    names = [(cohort.names[m], cohort.names[f]) for m, f in drawn]
    kinds = {(cohort.modalities[m], cohort.modalities[f]) for m, f in drawn}
    if pairs.fixed:
        assert {fixed for _, fixed in names} == {ATLAS}
        assert {moving for moving, _ in names} == set(cohort.names) - {ATLAS}
    if name == "scenario_t2_t1":
        assert kinds == {("T2", "T1")}
    if name == "scenario_t2_t2":
        assert kinds == {("T2", "T2")}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scenario_atlas_oasis", "scenario_t2_t1"])
def test_scenario_runs_from_start_to_end(name, population, settings, tmp_path):
    run = at_smoke_size(name, settings)
    summary = auto(population, tmp_path / "run", run, with_report=False).summary
    assert summary["pairs"] == 4
    assert np.isfinite(summary["dice_refined"]["mean"])
    modality = {s.name: s.modality for s in data.read_dataset(population).subjects}
    lines = (tmp_path / "run" / "evaluation.csv").read_text().splitlines()
    columns = lines[0].split(",")
    fixed, moving = (
        {line.split(",")[columns.index(side)] for line in lines[1:]}
        for side in ("fixed", "moving")
    )
    if run.pairs.fixed:
        assert fixed == {ATLAS}
    else:
        assert {modality[f] for f in fixed} == {"T1"}
        assert {modality[m] for m in moving} == {"T2"}
    model = json.loads((tmp_path / "run" / "model" / "model.json").read_text())
    assert (
        model["similarity"] == config.load_plan(tmp_path / "run" / "plan.yaml").metric
    )
    assert config.load(tmp_path / "run" / "config.yaml") == run


def test_an_atlas_is_loaded_once_and_keeps_its_labels(population):
    dataset = data.read_dataset(population)
    train = data.load_cohort(dataset, "train", atlas=ATLAS)
    assert train.names == data.load_cohort(dataset, "train").names
    test = data.load_cohort(dataset, "test", atlas=ATLAS)
    assert test.names == (*data.load_cohort(dataset, "test").names, ATLAS)
    place = train.names.index(ATLAS)
    np.testing.assert_array_equal(test.images[-1], train.images[place])
    assert test.labels is not None
    assert train.labels is not None
    np.testing.assert_array_equal(test.labels[-1], train.labels[place])


def test_one_subject_is_no_pair(population):
    cohort = data.load_cohort(data.read_dataset(population), "test")
    alone = replace(cohort, names=("s2-0",), modalities=())
    with pytest.raises(DataError, match=r"needs two subjects, and s2-0 is the only"):
        roles_of(alone, config.PairsConfig())


def test_pairs_within_a_person(cohorts, caplog):
    """At two times or in two modalities, both ways round unless roles are given."""
    cohort = replace(
        cohorts[0],
        names=tuple("abcdef")[: len(cohorts[0].names)],
        people=("anna", "bo", "anna", "bo", "cy", "cy")[: len(cohorts[0].names)],
        modalities=("mr", "mr", "us", "us", "mr", "us")[: len(cohorts[0].names)],
    )
    count = len(cohort.names)
    pairs = config.PairsConfig(within="person")
    run = config.RunConfig(pairs=pairs)
    found = scored_pairs(cohort, run, 100)
    assert found
    assert all(cohort.people[m] == cohort.people[f] for m, f in found)
    assert len(found) == count
    roles = roles_of(cohort, replace(pairs, moving_modality="us"))
    moving, fixed = pair_sampler(count, roles, (0, 0, 0), 50)[0]
    assert {cohort.modalities[m] for m in moving} == {"us"}
    assert {cohort.modalities[f] for f in fixed} == {"mr"}
    people = np.asarray(cohort.people)
    assert (people[moving] == people[fixed]).all()
    warn_of_unpaired(cohort, roles)
    assert not caplog.messages
    alone = replace(cohort, people=("anna", "bo", "anna", "cy"))
    warn_of_unpaired(alone, roles_of(alone, pairs))
    assert "2 of 4 images are in no pair, such as b" in caplog.text
    # Without a person an image is that of its name: all those are not one person.
    for people in (cohort.names, (), (None,) * count):
        strangers = replace(cohort, people=people)
        with pytest.raises(DataError, match=r"pairs\.within=person.*'person' of the"):
            roles_of(strangers, pairs)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ({"fixed": "nobody"}, "no subject is named 'nobody'"),
        ({"fixed_modality": "flair"}, r"pairs\.fixed_modality=flair.*T1, T2"),
        ({"fixed": ATLAS, "fixed_modality": "t2"}, rf"pairs\.fixed={ATLAS}, .*=t2"),
    ],
)
def test_impossible_pairs_are_refused_before_anything_is_written(
    pairs, message, population, tmp_path
):
    run = config.merge(config.RunConfig(), {"pairs": pairs})
    with pytest.raises(DataError, match=message):
        auto(population, tmp_path / "run", run)
    assert not (tmp_path / "run").exists()
