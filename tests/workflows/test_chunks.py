"""Steps that run as chunks: where chunks end, and that nobody can tell afterwards."""

from functools import partial

import chex
import jax
import numpy as np
import pytest
from stand_in import SmallNetwork, programs_for

from autoreg_jax import config, workflows
from autoreg_jax.programs import Programs, runs_in_one_program
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows import Journal
from autoreg_jax.workflows._loop import Task, repeat

LAM = {"full": 1.0, "smooth": 0.5, "half": 0.2, "quarter": 0.1}


def count_to(steps, **options):
    """A task whose state is the sum of its steps; it also gives the ranges it ran."""
    ranges = []

    def advance(state, steps, seconds):
        assert seconds >= 0
        ranges.append(steps)
        return state + sum(steps), [{"step": step} for step in steps]

    def describe(state, infos, step):
        assert infos[-1] == {"step": step - 1}
        return {"first": infos[0]["step"], "state": int(state)}

    task = Task(
        "count",
        steps,
        partial(np.int64, 0),
        advance,
        describe,
        show=lambda fields: {"first": fields["first"]},
        **options,
    )
    return task, ranges


@pytest.mark.parametrize(
    ("log_every", "chunk", "looks", "ends"),
    [
        (1, 4, (), [4, 8, 10]),
        (1, 4, (3, 4), [3, 4, 8, 10]),
        (1, 99, (), [10]),
        (4, 3, (), [3, 4, 7, 10]),
        (4, 6, (), [4, 10]),
        (4, 9, (), [8, 10]),
        (4, 9, (4,), [4, 10]),
    ],
)
def test_a_chunk_ends_with_a_record_or_has_none(log_every, chunk, looks, ends):
    task, ranges = count_to(
        10, log_every=log_every, chunk=chunk, is_end=lambda step: step in looks
    )
    journal = Journal()
    assert repeat(task, journal) == 45
    assert [steps.stop for steps in ranges] == ends
    assert [steps.start for steps in ranges] == [0, *ends[:-1]]
    wanted = [s for s in range(1, 11) if s % log_every == 0 or s == 10]
    assert [record["step"] for record in journal.records] == wanted
    assert [record["first"] for record in journal.records] == [0, *wanted[:-1]]
    seconds = [record["seconds"] for record in journal.records]
    assert seconds == sorted(seconds)


def test_whoever_observes_sees_the_state_of_every_record():
    seen = []
    task, ranges = count_to(6, log_every=2, chunk=5)
    journal = Journal(
        observe=lambda stage, step, state: seen.append((step, int(state)))
    )
    repeat(task, journal)
    assert seen == [(0, 0), (2, 1), (4, 6), (6, 15)]
    assert [steps.stop for steps in ranges] == [2, 4, 6]


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 8])
def test_a_rule_ends_a_stage_inside_of_a_chunk(chunk):
    def stop(records):
        return {"stopped": "rule"} if records[-1]["step"] == 5 else {}

    task, ranges = count_to(8, chunk=chunk, stop=stop)
    journal = Journal()
    assert repeat(task, journal) == sum(range(5))
    assert [record["step"] for record in journal.records] == [1, 2, 3, 4, 5]
    assert journal.records[-1]["stopped"] == "rule"
    assert ranges[-1].stop == 5


def test_the_seconds_of_a_chunk_are_shared_by_its_steps():
    now = iter(range(0, 1000, 8))
    task, _ = count_to(8, chunk=4)
    journal = Journal(clock=lambda: float(next(now)))
    repeat(task, journal)
    seconds = [record["seconds"] for record in journal.records]
    np.testing.assert_allclose(np.diff(seconds[:4]), 2.0)
    np.testing.assert_allclose(np.diff(seconds[3:]), seconds[4] - seconds[3])


def test_small_problems_of_many_steps_are_one_program_on_a_cpu(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert runs_in_one_program(2**15, 2**10, 2000)
    assert not runs_in_one_program(2**15, 2**10, 1999)
    assert not runs_in_one_program(2**15, 2**10 + 1, 2000)
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert runs_in_one_program(2**20, 2**24, 1)


def configured(settings, per_call, *, steps=20, lam_steps=5):
    """A search of one cell and λ."""
    stage = {"warm_up": 3 if lam_steps else 0, "every": 2}
    search = {
        "feature": {"steps": steps, "warm_up": 3, "every": 2, "learning_rate": 1e-2},
        "deformation": {"steps": 0, "warm_up": 0},
        "lam": stage | {"steps": lam_steps, "learning_rate": 1e-1},
        "steps_per_call": per_call,
    }
    return config.merge(settings, {"search": search})


def searched(cohorts, settings, per_call, programs, **steps):
    """The search with these programs; its records without the time."""
    settings = configured(settings, per_call, **steps)
    train, validation = cohorts[:2]
    found = workflows.search(train, validation, settings, programs=programs)
    for record in found.records:
        record.pop("seconds")
    return found


@pytest.fixture(scope="module")
def programs(settings):
    """Steps in one program."""
    return Programs(settings, 2, network=SmallNetwork, in_one_program=True)


@pytest.fixture(scope="module")
def in_calls_of_three(cohorts, settings, programs):
    """A search of one cell whose program does three steps in a call."""
    return searched(cohorts, settings, 3, programs, lam_steps=0)


@pytest.mark.slow
def test_the_size_of_a_chunk_changes_no_bit_of_a_search(cohorts, settings, programs):
    one, three = (searched(cohorts, settings, calls, programs) for calls in (1, 3))
    chex.assert_trees_all_equal(three.alpha, one.alpha)
    assert three.records == one.records
    assert three.lam == one.lam != one.lam_start
    assert one.alpha is not None
    assert np.any(one.alpha.feature)


@pytest.mark.slow
def test_one_program_follows_its_parts_for_lambda_too(cohorts, settings, programs):
    parts = searched(cohorts, settings, None, programs_for(settings))
    assert len(parts.records) == 25
    check_alike(searched(cohorts, settings, 3, programs), parts)


def test_one_program_follows_its_parts(in_calls_of_three, cohorts, settings):
    parts = searched(cohorts, settings, None, programs_for(settings), lam_steps=0)
    assert len(parts.records) == 20
    check_alike(in_calls_of_three, parts)


def check_alike(whole, parts):
    chex.assert_trees_all_close(whole.alpha, parts.alpha, rtol=1e-4, atol=1e-6)
    for one, other in zip(whole.records, parts.records, strict=True):
        assert one.pop("stage") == other.pop("stage")
        chex.assert_trees_all_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_state_outlives_the_steps_after_it(
    in_calls_of_three, cohorts, settings, programs
):
    settings = configured(settings, 2)
    search = workflows.SteppedSearch(*cohorts[:2], settings, programs=programs)
    early = search.step(search.start(), 5)
    for _ in range(2):
        late = search.step(early, 15)
        chex.assert_trees_all_equal(late.alpha, in_calls_of_three.alpha)
    assert (late.stage, late.step, early.step) == ("lam", 0, 5)


@pytest.mark.usefixtures("in_calls_of_three")
def test_ten_steps_are_two_dispatches_and_one_fetch(
    cohorts, settings, programs, tmp_path
):
    """Counted by the profiler, in a search of 40 steps and in one of 20."""

    def counted(steps):
        folder = tmp_path / str(steps)
        with jax.profiler.trace(folder):
            searched(cohorts, settings, None, programs, steps=steps, lam_steps=0)
        (file,) = folder.rglob("*.xplane.pb")
        planes = jax.profiler.ProfileData.from_file(str(file)).planes
        events = [e.name for p in planes for line in p.lines for e in line.events]
        dispatches = sum("ExecuteHelper" in name for name in events)
        return dispatches, sum(name.endswith(" device_get") for name in events)

    few, many = counted(20), counted(40)
    assert few[0] > 4
    assert many[0] - few[0] == 2 * 2  # a copy for the rules, and the ten steps
    assert many[1] - few[1] == 2


def test_the_size_of_a_chunk_changes_no_bit_of_a_training(cohorts, settings, programs):
    genotype = Genotype.uniform("conv_1")
    models = [
        workflows.train(
            cohorts[0],
            config.merge(settings, {"train": {"steps_per_call": per_call}}),
            genotype,
            LAM,
            programs=programs,
        )
        for per_call in (1, 4)
    ]
    chex.assert_trees_all_equal(models[0].params, models[1].params)
