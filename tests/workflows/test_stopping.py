"""Rules that end a stage, on records made by hand, and the plan of the stages."""

import math

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from autoreg_jax.config import RunConfig, SearchConfig, StageConfig, StopConfig
from autoreg_jax.programs import Stage, schedule
from autoreg_jax.programs._optimizers import reparametrised
from autoreg_jax.search_space import ArchitectureLogits
from autoreg_jax.workflows._stopping import result_step, stop_rule, time_of

BEST_0, BEST_1 = [0.3, 0.1, 0.2], [0.1, 0.3, 0.2]


def records_of(feature=(), *, lam=(), eigenvalues=(), warm_up=0, seconds=1.0):
    """Records with these values after each move, the warm-up before them."""
    values = [{"alpha": {"feature": [[value]]}} for value in feature]
    values += [{"lam": dict(zip("abc", value, strict=True))} for value in lam]
    values += [{"eigenvalue": value} for value in eigenvalues]
    moves = [{"valid_loss": 0.5} | value for value in values]
    still = [{} for _ in range(warm_up)]
    return [
        {"step": step, "seconds": seconds * step, **fields}
        for step, fields in enumerate(still + moves, start=1)
    ]


def ends(records, parts=("feature",), seconds=math.inf, **rules):
    settings = StageConfig(
        steps=99, warm_up=0, learning_rate=1.0, stop=StopConfig(**rules)
    )
    stage = Stage("stage", 0, parts, settings, SearchConfig())
    return stop_rule(stage, seconds)(records)


def test_without_rules_nothing_ends():
    assert ends(records_of([BEST_0] * 50)) == {}


def test_a_ranking_that_rests_ends_the_stage():
    rule = {"ranking": 3}
    assert ends(records_of([BEST_1, BEST_0, BEST_0]), **rule) == {}
    found = ends(records_of([BEST_1, BEST_0, BEST_0, BEST_0], warm_up=2), **rule)
    assert found == {"stopped": "ranking", "kept_step": 6}


def test_zeros_are_no_ranking():
    assert ends(records_of([[0.0] * 3] * 20), ranking=3) == {}
    assert ends(records_of([[0.1, 0.1, 0.0]] * 20), ranking=3) == {}
    close = [[0.11, 0.1, 0.0]] * 20
    assert ends(records_of(close), ranking=3)
    assert ends(records_of(close), ranking=3, tolerance=0.1) == {}


def test_the_warm_up_does_not_count():
    assert ends(records_of([BEST_0], warm_up=5), ranking=2) == {}
    after_a_move = [*records_of([BEST_0, BEST_0]), {"step": 3, "seconds": 3.0}]
    assert ends(after_a_move, ranking=2) == {}


def test_the_whole_order_counts_where_asked():
    same_best = [[0.3, 0.1, 0.2], [0.3, 0.2, 0.1]]
    assert ends(records_of(same_best), ranking=2)
    assert ends(records_of(same_best), ranking=2, full_ranking=True) == {}


def test_of_lambda_the_whole_order_counts():
    rule = {"parts": (), "ranking": 2}
    assert ends(records_of(lam=[[3.0, 1.0, 2.0], [3.0, 2.0, 1.0]]), **rule) == {}
    assert ends(records_of(lam=[[3.0, 1.0, 2.0], [4.0, 1.0, 2.0]]), **rule)


def test_a_joint_stage_waits_for_both_kinds_of_cells():
    def records(deformation):
        made = records_of([BEST_0] * len(deformation))
        for record, value in zip(made, deformation, strict=True):
            record["alpha"]["deformation"] = [[value]]
        return made

    rule = {"parts": ("feature", "deformation"), "ranking": 2}
    assert ends(records([BEST_0, BEST_1]), **rule) == {}
    assert ends(records([BEST_1, BEST_1]), **rule)


def test_a_growing_eigenvalue_goes_back():
    rule = {
        "eigenvalue_every": 1,
        "eigenvalue_window": 2,
        "eigenvalue_lag": 1,
        "eigenvalue_limit": 1.3,
    }
    assert ends(records_of(eigenvalues=[1.0, 1.0, 1.4], warm_up=2), **rule) == {}
    found = ends(records_of(eigenvalues=[1.0, 1.0, 1.8], warm_up=2), **rule)
    assert found == {"stopped": "eigenvalue", "kept_step": 4}
    assert ends(records_of(eigenvalues=[-1.0, -1.0, 9.0]), **rule) == {}


def test_time_ends_a_stage_that_has_moved():
    assert ends(records_of([BEST_0] * 2, warm_up=3), seconds=5.5) == {}
    found = ends(records_of([BEST_0] * 2, warm_up=3), seconds=5.0)
    assert found == {"stopped": "time", "kept_step": 5}
    assert ends(records_of(warm_up=9), seconds=0.0) == {}


def test_a_record_says_whether_its_stage_is_finished():
    assert result_step({"step": 4}, 9) is None
    assert result_step({"step": 9}, 9) == 9
    assert result_step({"step": 4, "kept_step": 2}, 9) == 2


def plan(**changes):
    stage = StageConfig(steps=10, warm_up=5, learning_rate=0.1)
    stages = {"feature": stage, "deformation": stage, "lam": stage}
    return schedule(RunConfig(search=SearchConfig(**(stages | changes))))


def test_rounds_repeat_the_stages_under_their_own_numbers():
    first, second = plan(rounds=2)
    assert [part.name for part in first] == ["feature", "deformation", "lam"]
    assert [part.name for part in second] == ["feature-2", "deformation-2", "lam-2"]
    assert [stage.parts for stage in second] == [stage.parts for stage in first]
    assert [stage.stream for stage in first] == [0, 1, 2]
    joint = [stage.stream for stages in plan(rounds=2, joint=True) for stage in stages]
    numbers = {*joint, 3, *(stage.stream for stage in [*first, *second])}
    assert len(numbers) == 1 + 6 + 2  # λ of both plans is the same part


def test_a_joint_plan_has_two_stages_and_nobody_to_judge_leaves_one_out():
    ((cells, weights),) = plan(joint=True)
    assert (cells.name, cells.settings.steps, weights.name) == ("joint", 10, "lam")
    assert plan(judge="none")[0][-1].settings.steps == 0


def test_time_is_divided_over_what_is_left():
    parts = plan()[0]
    assert time_of(parts[0], parts, None, 99.0) == math.inf
    spent = 0.0
    for place, part in enumerate(parts):
        share = time_of(part, parts[place:], 3.0, spent)
        assert share == pytest.approx(60.0)
        spent += share
    assert time_of(parts[2], parts[2:], 3.0, 200.0) == 0.0
    # What one stage leaves over is for the others.
    assert time_of(parts[1], parts[1:], 3.0, 20.0) == pytest.approx(80.0)


@pytest.mark.parametrize(
    ("form", "function", "inverse"),
    [
        ("exp", np.exp, np.log),
        (
            "softplus",
            lambda x: np.logaddexp(x, 0),
            lambda y: y + np.log1p(-np.exp(-y)),
        ),
    ],
)
@pytest.mark.usefixtures("x64")
def test_a_positive_weight_follows_what_stands_behind_it(form, function, inverse):
    lam = {"large": jnp.float64(10.0), "small": jnp.float64(0.3)}

    def loss(weights):
        return (weights["large"] - 2) ** 2 + weights["small"] ** 3

    def gradient(weights):
        return {"large": 2 * (weights["large"] - 2), "small": 3 * weights["small"] ** 2}

    theta = {name: jnp.float64(inverse(weight)) for name, weight in lam.items()}
    adam = optax.adam(0.1)
    wrapped = reparametrised(adam, form)
    state, wanted_state = wrapped.init(lam), adam.init(theta)
    start = loss(lam)
    for _ in range(20):
        updates, state = wrapped.update(gradient(lam), state, lam)
        lam = optax.apply_updates(lam, updates)
        weights = {name: function(value) for name, value in theta.items()}
        step = 1e-6
        behind = {  # the chain rule, by differences of the function
            name: slope
            * (function(theta[name] + step) - function(theta[name] - step))
            / (2 * step)
            for name, slope in gradient(weights).items()
        }
        updates, wanted_state = adam.update(behind, wanted_state)
        theta = optax.apply_updates(theta, updates)
        for name, value in theta.items():
            np.testing.assert_allclose(lam[name], function(value), rtol=1e-6)
    assert loss(lam) < start


@pytest.mark.parametrize("form", ["exp", "softplus"])
def test_no_step_is_long_enough_to_make_a_weight_negative(form):
    wrapped = reparametrised(optax.sgd(1e3), form)
    lam = jnp.array([10.0, 1e-3, 0.0])
    updates, _ = wrapped.update(jnp.ones(3), wrapped.init(lam), lam)
    found = lam + updates
    assert bool(jnp.all(found >= 0))
    assert bool(jnp.all(jnp.isfinite(found)))


def make_stage(**settings):
    stage = {"steps": 9, "warm_up": 3, "every": 2, "learning_rate": 1.0}
    settings = StageConfig(**(stage | settings))
    return Stage("feature", 0, ("feature",), settings, SearchConfig())


def test_a_stage_moves_every_nth_step_after_its_warm_up():
    stage = make_stage()
    assert [step for step in range(9) if stage.is_active(step)] == [3, 5, 7]
    stage = make_stage(warm_up=4)
    active = [stage.is_active(step, is_warm=step >= 2) for step in range(9)]
    assert [step for step in range(9) if active[step]] == [2, 4, 6, 8]
    assert [stage.moves(step) for step in (4, 6, 8)] == [0, 1, 2]


def test_a_stage_owns_its_parts_alone():
    alpha = ArchitectureLogits.zeros()
    for stage in plan()[0][:2]:
        owned = stage.owned(alpha)
        sums = {part: float(jnp.sum(getattr(owned, part))) for part in owned._fields}
        assert sums.pop(stage.name) == 48
        assert list(sums.values()) == [0]
    ((joint, weights),) = plan(joint=True)
    assert sum(float(jnp.sum(part)) for part in joint.owned(alpha)) == 96
    assert weights.owned({"full": 3.0, "bending": 0.0}) == {"full": 1, "bending": 1}
