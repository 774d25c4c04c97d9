"""What `search.strategy: auto` stands for, and which choices of a space have effect."""

from dataclasses import replace

import pytest

from autoreg_jax import config
from autoreg_jax.hypergrad import one_step_unroll
from autoreg_jax.programs import Programs
from autoreg_jax.search_space import Genotype
from autoreg_jax.spaces import read_space
from autoreg_jax.workflows import Journal, SteppedSearch
from autoreg_jax.workflows._search import search_job
from autoreg_jax.workflows.trials import start_of

LAM = {"steps": 0, "warm_up": 0}


def strategy_of(cohorts, changes, **given):
    """The strategy of the job that a search would do."""
    run = config.merge(config.RunConfig(), changes)
    return search_job(*cohorts[:2], run, Journal(), **given).config.search.strategy


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "race"),
        ({"network": {"operations": ["conv_5"]}}, "race"),
        ({"network": {"operations": ["conv_3", "conv_5"]}}, "darts"),
        ({"search": {"judge": "none"}}, "darts"),
        ({"search": {"lam": LAM}}, "darts"),
        ({"search": {"lam_search": {"method": "branches"}}}, "darts"),
        ({"search": {"strategy": "darts"}}, "darts"),
        ({"search": {"strategy": "random"}}, "random"),
    ],
)
def test_auto_races_where_the_cells_are_not_searched(cohorts, changes, expected):
    assert strategy_of(cohorts, changes) == expected


def test_what_is_given_for_algorithm_1_asks_for_it(cohorts):
    cells = Genotype.uniform("conv_3", ((4, 3), (4, 2)))
    assert strategy_of(cohorts, {}, genotype=cells) == "darts"
    assert strategy_of(cohorts, {}, has_members=True) == "darts"
    own = Programs(config.RunConfig(), 2, estimator=one_step_unroll())
    assert strategy_of(cohorts, {}, programs=own) == "darts"
    assert strategy_of(cohorts, {"search": {"strategy": "race"}}, genotype=cells) == (
        "race"
    )


def test_steps_by_hand_are_those_of_algorithm_1(cohorts):
    stepped = SteppedSearch(*cohorts[:2], config.RunConfig())
    assert stepped.start().stage == "lam"


def test_the_overlap_of_labels_is_a_choice_where_training_subjects_have_labels(
    cohorts, tmp_path
):
    train, validation, _ = cohorts
    space, run = read_space("macro"), config.RunConfig()
    names = {}
    for key, subjects in (("with", train), ("without", replace(train, labels=None))):
        job = search_job(subjects, validation, run, Journal())
        kept = start_of(job, tmp_path).reduced(space)
        names[key] = {choice.name for choice in kept.choices}
    assert names["with"] - names["without"] == {"objective.extra.dice"}
    assert names["with"] == {choice.name for choice in space.choices}
