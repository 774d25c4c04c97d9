"""What is done where search and training diverge: stop, skip, or go back."""

import dataclasses
import json
from functools import partial

import jax
import numpy as np
import pytest
from diverging import CALM, CONV, EVEN, LAM, WILD, poisoned_by, run_with
from searches import check_same, without_clock
from shift import shift_programs

from autoreg_jax import config, workflows
from autoreg_jax.errors import NonFiniteError
from autoreg_jax.files import read_records
from autoreg_jax.programs import Stream
from autoreg_jax.report._divergence import divergence_sentence
from autoreg_jax.runtime import Checkpointer
from autoreg_jax.workflows import Journal, SteppedSearch
from autoreg_jax.workflows._pairs import pair_sampler, roles_of
from autoreg_jax.workflows._train import training_task


@pytest.fixture(scope="module")
def run(settings):
    return partial(run_with, settings)


def train(cohort, settings, **options):
    programs = shift_programs(settings)
    return workflows.train(cohort, settings, CONV, LAM, programs=programs, **options)


def same(one, other):
    equal = jax.tree.map(np.array_equal, one.params, other.params)
    return jax.tree.all(equal)


@pytest.fixture(scope="module")
def back(cohorts, run, tmp_path_factory):
    """A training that went back, with its folder."""
    folder = tmp_path_factory.mktemp("back")
    settings = run("rollback", WILD)
    journal = Journal(folder, save_every=0)
    return train(cohorts[0], settings, journal=journal), settings, folder


def test_a_training_that_goes_back_ends_with_a_lower_rate(back):
    records = read_records(back[2] / "metrics.jsonl")
    assert [record["step"] for record in records] == list(range(10, 61, 10))
    (told,) = [record for record in records if "rolled_back" in record]
    (event,) = told["rolled_back"]
    # It diverges behind step 40; the state before has proved sound by then.
    assert told["step"] == 30
    assert event["to"] == 20
    assert event["factor"] == 0.3
    assert "has diverged" in event["why"]
    seconds = [record["seconds"] for record in records]
    assert seconds == sorted(seconds)
    sentence = divergence_sentence(records)
    assert "went back once, to step 20" in sentence
    assert "0.3 of the learning rate" in sentence


def test_a_rate_that_is_too_high_ends_a_training_by_default(back, cohorts, run):
    """The steps before are those of a training that goes back."""
    journal = Journal()
    assert config.RunConfig().divergence.policy == "stop"
    with pytest.raises(NonFiniteError, match=r"rate 20\): the training has diverged"):
        train(cohorts[0], run("stop", WILD), journal=journal)
    assert divergence_sentence(journal.records) == ""
    records = read_records(back[2] / "metrics.jsonl")
    before, after = journal.records[:2], journal.records[2]
    assert without_clock(records[:2]) == without_clock(before)
    # The first update behind it has another length: so has the loss after it.
    assert records[2]["loss"] != after["loss"]


def test_a_training_that_goes_back_too_often_ends(cohorts, run, caplog):
    settings = run("rollback", WILD, factor=0.9, rollbacks=2)
    words = r"diverged.*went back 2 times before .*with 0\.81 of the rates"
    with pytest.raises(NonFiniteError, match=words):
        train(cohorts[0], settings)
    assert caplog.text.count("It goes back to step") == 2


def killed_before_records_go(self, stage, step):
    if step:
        raise KeyboardInterrupt
    REWIND(self, stage, step)


def killed_before_it_is_saved(self, stage, step):
    REWIND(self, stage, step)
    if step:
        raise KeyboardInterrupt


def killed_before_checkpoints_go(self, after):
    raise KeyboardInterrupt


REWIND = Journal.rewind
KILLS = {
    "checkpoints there": (Checkpointer, "discard", killed_before_checkpoints_go),
    "records there": (Journal, "rewind", killed_before_records_go),
    "nothing saved": (Journal, "rewind", killed_before_it_is_saved),
}


SLOW = [
    pytest.param(kill, marks=pytest.mark.slow)
    for kill in ("checkpoints there", "before", "nothing saved", "behind")
]


@pytest.mark.parametrize("kill", ["records there", *SLOW])
def test_killed_while_it_goes_back_it_resumes_bit_for_bit(
    back, cohorts, tmp_path, monkeypatch, kill
):
    model, settings, folder = back
    passes = []

    def observe(stage, step, state):
        passes.append(step)
        if (kill, step) == ("before", 40) or (kill, passes.count(30)) == ("behind", 2):
            raise KeyboardInterrupt

    if kill in KILLS:
        monkeypatch.setattr(*KILLS[kill])
    journal = Journal(tmp_path, save_every=0, observe=observe)
    with pytest.raises(KeyboardInterrupt):
        train(cohorts[0], settings, journal=journal)
    monkeypatch.undo()
    resumed = train(cohorts[0], settings, journal=Journal(tmp_path, resume=True))
    assert same(resumed, model)
    one, other = (read_records(place / "metrics.jsonl") for place in (tmp_path, folder))
    assert without_clock(one) == without_clock(other)


@pytest.fixture(scope="module", params=[np.nan, 1e15], ids=["NaN", "1e15"])
def poisoned(request, cohorts):
    """Training subjects of whom one has no intensities that mean something."""
    return poisoned_by(request.param, cohorts[0])


def test_a_pair_that_is_skipped_leaves_no_trace(poisoned, run):
    """The others train as if its steps were not there, bit for bit."""
    settings, journal = run("skip", EVEN), Journal()
    model = train(poisoned, settings, journal=journal)
    sampler = pair_sampler(
        4, roles_of(poisoned, settings.pairs), (settings.seed, Stream.TRAIN, 0)
    )
    is_bad = [2 in np.concatenate(sampler[step]) for step in range(20)]
    skipped = [one for record in journal.records for one in record.get("skipped", ())]
    assert [one["step"] for one in skipped] == [n + 1 for n in range(20) if is_bad[n]]
    assert 0 < sum(is_bad) < 20
    assert all("s1-2" in one["pairs"] and one["why"] for one in skipped)
    json.dumps(journal.records, allow_nan=False)
    count = f"{sum(is_bad)} updates were left out"
    assert count in divergence_sentence(journal.records)

    plain = run("stop", EVEN)
    programs = shift_programs(plain)
    network = programs.make_network(CONV)
    task = training_task(poisoned, plain, network, LAM, programs)
    state = task.start()
    for step in range(20):
        if not is_bad[step]:
            state, _ = task.advance(state, range(step, step + 1), 0.0)
    found = programs.layout(network).to_tree(np.asarray(state.chosen))
    assert jax.tree.all(jax.tree.map(np.array_equal, model.params, found))


def test_a_pair_that_is_poisoned_ends_a_training_by_default(poisoned, run):
    settings = run("stop", EVEN)
    with pytest.raises(NonFiniteError, match=r"pair .*s1-2|has diverged"):
        train(poisoned, settings)


def test_too_many_in_a_row_end_it(poisoned, run):
    settings = run("skip", EVEN, skips=3)
    lost = dataclasses.replace(poisoned, images=np.full_like(poisoned.images, np.nan))
    words = r"step 4 \(pair s1-.*; learning rate 0.1\).*4 updates in a row.* is 3\)"
    with pytest.raises(NonFiniteError, match=words):
        train(lost, settings)


def search(cohorts, settings, **options):
    programs = shift_programs(settings)
    one, two, *_ = cohorts
    return workflows.search(
        one, two, settings, genotype=CONV, programs=programs, **options
    )


def test_a_search_skips_a_pair_and_its_weights_rest(poisoned, cohorts, run):
    found = search((poisoned, cohorts[1]), run("skip", CALM))
    bad = [record for record in found.records if "skipped" in record]
    assert 0 < len(bad) < len(found.records)
    before = found.lam_start
    for record in found.records:
        (one,) = record.get("skipped", [None])
        assert ("train_loss" in record) == (one is None)
        if one is not None:
            assert record["lam"] == before
            assert "s1-2" in one["pairs"]
            assert "validation pair s2-" in one["pairs"]
        before = record["lam"]
    assert found.lam != found.lam_start
    json.dumps(found.records, allow_nan=False)


def test_a_search_goes_back_with_lower_rates(cohorts, run, tmp_path):
    wild = run("rollback", CALM, lam=1e6, factor=1e-6)
    found = search(cohorts, wild, run=tmp_path)
    assert [record["step"] for record in found.records] == [1, 2, 3, 4, 5]
    (event,) = found.records[0]["rolled_back"]
    assert event["to"] == 0
    assert "lam" in event["why"]
    assert max(found.lam.values()) < 1e3
    assert found.lam != found.lam_start
    sentence = divergence_sentence(found.records)
    assert "went back once, to its begin" in sentence
    one, two, _ = cohorts
    programs = shift_programs(wild)
    stepped = SteppedSearch(one, two, wild, genotype=CONV, programs=programs)
    state = stepped.start()
    while state.result is None:
        state = stepped.step(state, 2)
    check_same(state.result, found)
