"""The search as a whole: who moves when, what is read, what is written."""

import dataclasses
import json
from typing import NamedTuple

import jax
import numpy as np
import pytest
from stand_in import search

from autoreg_jax import config
from autoreg_jax.errors import ArtifactError, NonFiniteError
from autoreg_jax.files import read_records
from autoreg_jax.search_space import Genotype, decode
from autoreg_jax.workflows import Journal, SearchResult

PARTS = ("feature", "deformation")


class Watched(NamedTuple):
    """A search and the ω with which each of its stages began and ended."""

    result: SearchResult
    first: dict
    last: dict


def watched_search(*arguments, run=None, resume=False, **keywords):
    """Run a search and keep what it throws away."""
    first, last = {}, {}

    def observe(stage, step, state):
        del step
        omega = jax.device_get(state.omega)
        first.setdefault(stage, omega)
        last[stage] = omega

    journal = Journal(run, resume=resume, observe=observe)
    return Watched(search(*arguments, journal=journal, **keywords), first, last)


@pytest.fixture(scope="module")
def done(cohorts, settings, tmp_path_factory):
    """A search into a folder."""
    folder = tmp_path_factory.mktemp("search")
    return watched_search(*cohorts[:2], settings, run=folder), folder


def _of_stage(records, stage):
    return [record for record in records if record["stage"] == stage]


def _without_clock(records):
    return [{k: v for k, v in r.items() if k != "seconds"} for r in records]


def _is_equal(one, other):
    return jax.tree.all(jax.tree.map(np.array_equal, one, other))


def _check_same_outcome(one, other):
    assert one.genotype == other.genotype
    assert _is_equal(one.alpha, other.alpha)
    assert one.lam == other.lam
    assert _without_clock(one.records) == _without_clock(other.records)


@pytest.mark.parametrize(("stage", "resting"), [PARTS, PARTS[::-1]])
def test_each_stage_moves_its_own_logits(done, stage, resting):
    alphas = [record["alpha"] for record in _of_stage(done[0].result.records, stage)]
    moving = np.array([alpha[stage] for alpha in alphas])
    rest = np.array([alpha[resting] for alpha in alphas])
    assert moving.shape == (3, 2, 3, 8)
    assert np.array_equal(rest, np.broadcast_to(rest[0], rest.shape))
    assert not np.array_equal(moving[0], moving[1])
    assert not np.array_equal(moving[1], moving[2])


def test_alpha_starts_at_zero_and_is_handed_on(done):
    records = done[0].result.records
    first = _of_stage(records, "feature")[0]["alpha"]
    assert not np.any(first["feature"])
    assert not np.any(first["deformation"])
    end = _of_stage(records, "feature")[-1]["alpha"]
    assert _of_stage(records, "deformation")[0]["alpha"] == end
    assert np.all(np.asarray(end["feature"]) != 0)


def test_outer_variables_rest_while_omega_warms_up(done):
    result, omegas = done[0].result, done[0].last
    for stage, key in (*((part, "alpha") for part in PARTS), ("lam", "lam")):
        first, second, _ = _of_stage(result.records, stage)
        assert "hypergradient_norm" not in first
        assert second["hypergradient_norm"] > 0
        assert second[key] != first[key]
        assert omegas.keys() == {*PARTS, "lam"}
    assert _of_stage(result.records, "lam")[0]["lam"] == result.lam_start


def test_lambda_follows_a_real_hypergradient(done, settings):
    result = done[0].result
    start = {name: getattr(settings.objective, name) for name in result.lam}
    assert result.lam_start == pytest.approx(start, rel=1e-6)
    assert all(result.lam[name] != result.lam_start[name] for name in result.lam)
    for record in _of_stage(result.records, "lam")[1:]:
        assert record["indirect_norm"] > 0
        assert record["direct_norm"] == 0  # λ is not in the overlap
        assert 0 < record["valid_loss"] < 1
    for part in PARTS:
        for record in _of_stage(result.records, part)[1:]:
            assert record["indirect_norm"] > 0
            assert record["direct_norm"] > 0


def test_first_outer_step_is_of_the_learning_rate(done, settings):
    # Adam's first step has the length of the learning rate in every entry.
    records = done[0].result.records
    for part in PARTS:
        before, after, _ = (
            np.asarray(r["alpha"][part]) for r in _of_stage(records, part)
        )
        rate = getattr(settings.search, part).learning_rate
        np.testing.assert_allclose(np.abs(after - before), rate, rtol=1e-3)


def test_omega_is_drawn_anew_for_every_stage(done):
    _, first, last = done[0]
    starts = list(first.values())
    assert first.keys() == {*PARTS, "lam"}
    kernel = [np.asarray(jax.tree.leaves(omega)[0]) for omega in starts]
    assert not np.array_equal(kernel[0], kernel[1])
    assert jax.tree.structure(starts[0]) == jax.tree.structure(starts[1])
    assert not _is_equal(last["feature"], starts[1])


def test_files_hold_the_result(done, settings):
    (result, *_), folder = done
    assert read_records(folder / "metrics.jsonl") == result.records
    text = (folder / "genotype.json").read_text()
    assert Genotype.from_json(text) == result.genotype == decode(result.alpha)
    objective = json.loads((folder / "objective.json").read_text())
    assert objective["lam"] == result.lam
    assert objective["lam_start"] == result.lam_start
    assert objective["similarity"] == settings.objective.similarity
    assert [r["step"] for r in _of_stage(result.records, "lam")] == [1, 2, 3]
    assert {p.name for p in (folder / "checkpoints").iterdir()} == {*PARTS, "lam"}


def test_same_seed_same_search(done, cohorts, settings):
    again = watched_search(*cohorts[:2], settings)
    _check_same_outcome(again.result, done[0].result)
    assert _is_equal(again.last, done[0].last)


def test_another_seed_another_search(done, cohorts, settings):
    changes = {"seed": 1, "search": {"lam": {"steps": 0, "warm_up": 0}}}
    other = search(*cohorts[:2], config.merge(settings, changes))
    assert not _is_equal(other.alpha, done[0].result.alpha)


@pytest.mark.parametrize(("stage", "step"), [("deformation", 3), ("lam", 2)])
def test_interrupted_and_resumed_is_the_same(
    done, cohorts, settings, tmp_path, stage, step
):
    def pull_the_plug(*place):
        if place[:2] == (stage, step):  # the record is there, its checkpoint is not
            raise KeyboardInterrupt

    journal = Journal(tmp_path, observe=pull_the_plug, save_every=0)
    with pytest.raises(KeyboardInterrupt):
        search(*cohorts[:2], settings, journal=journal)
    resumed = watched_search(*cohorts[:2], settings, run=tmp_path, resume=True)
    _check_same_outcome(resumed.result, done[0].result)
    assert _is_equal(resumed.last["lam"], done[0].last["lam"])
    assert read_records(tmp_path / "metrics.jsonl") == resumed.result.records


def test_finished_search_is_read_and_not_repeated(done, cohorts, settings):
    again = watched_search(*cohorts[:2], settings, run=done[1], resume=True)
    _check_same_outcome(again.result, done[0].result)
    assert not again.last


def test_existing_search_is_not_mixed_with_another(done, cohorts, settings):
    before = (done[1] / "metrics.jsonl").read_bytes()
    with pytest.raises(ArtifactError, match=r"stage 'feature' already; resume"):
        search(*cohorts[:2], settings, run=done[1])
    assert (done[1] / "metrics.jsonl").read_bytes() == before


def test_training_labels_are_never_read(done, cohorts, settings):
    train, validation, _ = cohorts
    blind = dataclasses.replace(train, labels=None, structures=())
    result = watched_search(blind, validation, settings)
    _check_same_outcome(result.result, done[0].result)
    assert _is_equal(result.last, done[0].last)


def test_validation_labels_judge_lambda_alone(done, cohorts, settings):
    train, validation, _ = cohorts
    shuffled = dataclasses.replace(validation, labels=validation.labels[::-1].copy())
    other = watched_search(train, shuffled, settings)
    assert _is_equal(other.result.alpha, done[0].result.alpha)
    assert _is_equal(other.last["deformation"], done[0].last["deformation"])
    assert other.result.lam != done[0].result.lam


def test_lambda_that_nobody_judges_keeps_its_start(done, cohorts, settings, tmp_path):
    nobody = config.merge(settings, {"search": {"judge": "none"}})
    result = search(*cohorts[:2], nobody, run=tmp_path)
    assert result.lam == result.lam_start == done[0].result.lam_start
    assert not _of_stage(result.records, "lam")
    assert _is_equal(result.alpha, done[0].result.alpha)
    assert json.loads((tmp_path / "objective.json").read_text())["lam"] == result.lam


def test_stage_without_steps_is_left_out(done, cohorts, settings):
    none = {"steps": 0, "warm_up": 0}
    changes = {"search": {"feature": none, "lam": none}}
    result = search(*cohorts[:2], config.merge(settings, changes))
    assert not np.any(result.alpha.feature)
    assert np.any(result.alpha.deformation)
    assert result.lam == result.lam_start


def test_useless_numbers_stop_the_search(done, cohorts, settings):
    images = cohorts[0].images.copy()
    images[:] = np.nan
    broken = dataclasses.replace(cohorts[0], images=images)
    with pytest.raises(
        NonFiniteError, match=r"'feature', step 1 \(pair .*\): full became"
    ):
        search(broken, cohorts[1], settings)


def test_resume_needs_a_folder(cohorts, settings):
    with pytest.raises(ValueError, match="needs the folder"):
        search(*cohorts[:2], settings, resume=True)
