"""The policies where steps are one program, as on accelerators, and in trials."""

from functools import partial

import numpy as np
import pytest
from diverging import CALM, CONV, EVEN, LAM, WILD, poisoned_by, run_with
from shift import shift_programs

from autoreg_jax import config, workflows
from autoreg_jax.errors import NonFiniteError
from autoreg_jax.workflows import Journal
from autoreg_jax.workflows.divergence import check_sane
from autoreg_jax.workflows.trials import Trainer, Trial


@pytest.fixture(scope="module")
def run(settings):
    return partial(run_with, settings)


def train(cohort, settings, *, in_one_program):
    programs = shift_programs(settings, in_one_program=in_one_program)
    journal = Journal()
    model = workflows.train(
        cohort, settings, CONV, LAM, programs=programs, journal=journal
    )
    (bias,) = [v["bias"] for k, v in model.params.items() if k == "velocity_half"]
    return journal.records, bias


def told(records, name):
    return [one for record in records for one in record.get(name, ())]


def same_either_way(cohort, settings, name):
    """What the records tell of, which is the same step by step and as one program."""
    (one, bias), (other, whole) = (
        train(cohort, settings, in_one_program=one) for one in (False, True)
    )
    np.testing.assert_allclose(whole, bias, rtol=1e-4)
    told_of = told(one, name)
    places = [{k: v for k, v in event.items() if k != "why"} for event in told_of]
    others = [
        {k: v for k, v in event.items() if k != "why"} for event in told(other, name)
    ]
    assert others == places
    return told_of


def test_one_program_skips_the_same_updates(cohorts, run):
    skipped = same_either_way(
        poisoned_by(np.nan, cohorts[0]), run("skip", EVEN), "skipped"
    )
    assert 0 < len(skipped) < EVEN["steps"]


def test_one_program_goes_back_to_the_same_state(cohorts, run):
    (event,) = same_either_way(cohorts[0], run("rollback", WILD), "rolled_back")
    assert event["to"] == 20


@pytest.mark.slow
def test_a_search_as_one_program_skips_the_same_updates(cohorts, run):
    settings, (learn, judge, _) = run("skip", CALM), cohorts
    found = [
        workflows.search(
            poisoned_by(np.nan, learn),
            judge,
            settings,
            genotype=CONV,
            programs=shift_programs(settings, in_one_program=one),
        )
        for one in (False, True)
    ]
    steps = [[e["step"] for e in told(one.records, "skipped")] for one in found]
    assert steps[0] == steps[1] != []
    for name, value in found[0].lam.items():
        assert found[1].lam[name] == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize(
    ("policy", "train", "factor", "is_useless"),
    [
        ("stop", WILD, 1.0, True),
        ("rollback", WILD, 1.0, False),
        ("stop", EVEN, np.nan, True),
        ("skip", EVEN, np.nan, False),
    ],
)
def test_a_trial_follows_the_policy(
    cohorts, run, tmp_path, policy, train, factor, is_useless
):
    """What another policy saves is a candidate, and is what the run would train."""
    parts = {"search": {"judge_pairs": 2}, "objective": LAM}
    parts |= {"divergence": {"factor": 0.005}}
    settings = config.merge(run(policy, train), parts)
    programs = shift_programs(settings)
    learn = poisoned_by(factor, cohorts[0])
    trainer = Trainer(learn, cohorts[1], settings, tmp_path, CONV, programs)
    outcome = trainer.advance(Trial("1"), train["steps"])
    assert bool(outcome.diverged) == is_useless
    if is_useless:
        return
    assert np.isfinite(outcome.scores["dice"]).all()
    model = trainer.model(Trial("1"))
    lam = model.description.lam
    alone = workflows.train(learn, settings, CONV, lam, programs=programs)
    np.testing.assert_array_equal(
        model.params["velocity_half"]["bias"], alone.params["velocity_half"]["bias"]
    )


def test_a_torn_field_ends_a_stage_unless_its_best_weights_are_kept():
    """The mean square of the jumps from voxel to voxel: ten voxels at most."""
    check_sane("train", 7, {"smooth": 99.0}, keep="last")
    check_sane("train", 7, {"full": 1e9}, keep="last")
    check_sane("train", 7, {"smooth": 1e4}, keep="best")
    with pytest.raises(NonFiniteError, match=r"'train', step 7 \(rate 1\).*term 101"):
        check_sane("train", 7, {"smooth": 101.0}, keep="last", about="rate 1")
