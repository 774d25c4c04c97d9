"""Ends of stages, rounds, joint cells and judges, in whole searches."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from searches import (
    check_same,
    interrupted_and_resumed,
    merged,
    of_stage,
    without_clock,
)
from stand_in import programs_for, search

from autoreg_jax.errors import DataError
from autoreg_jax.programs import gather_pair, initial_vector, on_device, shrunk
from autoreg_jax.search_space import ArchitectureLogits, decode
from autoreg_jax.workflows import Journal

NO_STAGE = {"steps": 0, "warm_up": 0}
LONG = {"steps": 8, "warm_up": 1}


@pytest.fixture
def minute_steps():
    """A clock on which every step takes a minute and nothing else takes any time."""
    now = [0.0]

    def observe(*_):
        now[0] += 60.0  # for the step that follows

    return {"observe": observe, "clock": lambda: now[0]}


@pytest.fixture(scope="module")
def stopped(cohorts, settings, tmp_path_factory):
    """A search whose stages end by their rankings, its settings and its folder."""
    run = tmp_path_factory.mktemp("stopped")
    rules = merged(
        settings, feature=LONG, deformation=LONG, lam=LONG, stop={"ranking": 2}
    )
    return search(*cohorts[:2], rules, run=run), rules, run


def test_a_stable_ranking_ends_every_stage(stopped):
    found = stopped[0]
    for stage in ("feature", "deformation", "lam"):
        *before, last = of_stage(found, stage)
        assert last["stopped"] == "ranking"
        assert last["kept_step"] == last["step"] < 8
        assert not any("stopped" in record for record in before)
    # Adam's first move is as long in every direction: ties, which have no ranking.
    assert len(of_stage(found, "feature")) >= 4
    # The weights of λ have an order from the start.
    assert len(of_stage(found, "lam")) == 3
    assert found.lam == of_stage(found, "lam")[-1]["lam"]


def test_the_rules_cut_a_search_and_change_nothing_before(stopped, cohorts):
    found, rules, _ = stopped
    free = search(*cohorts[:2], merged(rules, stop={"ranking": None}, lam=NO_STAGE))
    count = len(of_stage(found, "feature"))
    cut = without_clock(of_stage(found, "feature"))
    whole = without_clock(of_stage(free, "feature"))
    assert len(whole) == 8
    assert cut[-1].pop("stopped")
    assert cut[-1].pop("kept_step") == count
    assert cut == whole[:count]


def test_a_stopped_stage_is_finished(stopped, cohorts):
    found, rules, run = stopped
    seen = []
    journal = Journal(run, resume=True, observe=lambda *place: seen.append(place))
    check_same(search(*cohorts[:2], rules, journal=journal), found)
    assert not seen


@pytest.mark.parametrize(
    "at",
    [
        ("feature", 3),
        ("lam", 2),
        pytest.param(("feature", 2), marks=pytest.mark.slow),
        pytest.param(("lam", 3), marks=pytest.mark.slow),
    ],
)
def test_stopped_interrupted_and_resumed_is_the_same(stopped, cohorts, tmp_path, at):
    found, rules, _ = stopped
    again = interrupted_and_resumed(cohorts[:2], rules, tmp_path, at)
    check_same(again, found)


def test_a_stage_may_have_rules_of_its_own(cohorts, settings):
    rules = merged(
        settings,
        feature=LONG | {"stop": {"ranking": 2}},
        deformation=LONG,
        lam=NO_STAGE,
    )
    found = search(*cohorts[:2], rules)
    assert of_stage(found, "feature")[-1]["stopped"] == "ranking"
    assert len(of_stage(found, "deformation")) == 8


def test_a_growing_eigenvalue_goes_back_to_an_earlier_alpha(cohorts, settings):
    rule = {
        "eigenvalue_every": 2,
        "eigenvalue_window": 1,
        "eigenvalue_lag": 1,
        "eigenvalue_limit": 1e-6,
    }
    found = search(
        *cohorts[:2],
        merged(settings, feature=LONG, deformation=NO_STAGE, lam=NO_STAGE, stop=rule),
    )
    records = of_stage(found, "feature")
    measured = [record for record in records if "eigenvalue" in record]
    assert [record["step"] for record in measured] == [2, 4]
    assert all(record["eigenvalue"] > 0 for record in measured)
    assert (records[-1]["stopped"], records[-1]["kept_step"]) == ("eigenvalue", 2)
    np.testing.assert_array_equal(
        found.alpha.feature, np.float32(records[1]["alpha"]["feature"])
    )
    assert not np.array_equal(records[1]["alpha"], records[3]["alpha"])


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(("deformation",), marks=pytest.mark.slow),
        pytest.param(("feature", "deformation"), marks=pytest.mark.slow),
    ],
)
def test_the_eigenvalue_is_that_of_the_whole_matrix(cohorts, settings, parts):
    images = shrunk(on_device(cohorts[1]), settings.search.shrink)
    pair = np.array([0]), np.array([1])
    batch = gather_pair(images, pair)
    programs = programs_for(settings)
    network = programs.mixed
    omega = initial_vector(network, 2, programs.layout(network), (0,))
    rng = np.random.default_rng(0)
    alpha = ArchitectureLogits(
        *(jnp.asarray(rng.normal(size=(2, 3, 8)), jnp.float32) for _ in range(2))
    )
    found = programs.curvature(parts)(omega, alpha, batch)
    loss = programs.plain_problem().bilevel.outer_loss

    @jax.jit
    @jax.hessian
    def hessian(flat):
        blocks = flat.reshape(-1, 2, 3, 8)
        owned = dict(zip(parts, blocks, strict=True))
        return loss(omega, alpha._replace(**owned), batch)

    owned = jnp.stack([getattr(alpha, part) for part in parts])
    wanted = np.linalg.eigvalsh(hessian(owned.ravel()))[-1]
    assert wanted > 0
    np.testing.assert_allclose(found, wanted, rtol=1e-3)


TIMED = {"steps": 8, "warm_up": 4}


def test_minutes_are_divided_and_every_stage_moves(cohorts, settings, minute_steps):
    limits = {"feature": TIMED, "deformation": TIMED, "lam": TIMED, "minutes": 12.0}
    journal = Journal(**minute_steps)
    found = search(*cohorts[:2], merged(settings, **limits), journal=journal)
    for stage in ("feature", "deformation", "lam"):
        records = of_stage(found, stage)
        # A third of the time, and of that one half for the warm-up.
        assert [record["seconds"] for record in records] == [60, 120, 180, 240]
        assert ["valid_loss" in r for r in records] == [False, False, True, True]
        assert records[-1]["stopped"] == "time"
    assert found.genotype == decode(found.alpha)
    assert np.any(found.alpha.feature)


def test_without_time_a_stage_still_moves_once(cohorts, settings, minute_steps):
    limits = {"feature": TIMED, "deformation": TIMED, "lam": NO_STAGE, "minutes": 0.1}
    journal = Journal(**minute_steps)
    found = search(*cohorts[:2], merged(settings, **limits), journal=journal)
    for stage in ("feature", "deformation"):
        records = of_stage(found, stage)
        assert sum("valid_loss" in record for record in records) == 1
        assert records[-1]["stopped"] == "time"


def test_time_that_was_interrupted_goes_on(cohorts, settings, tmp_path, minute_steps):
    limits = {"feature": TIMED, "deformation": TIMED, "lam": TIMED, "minutes": 14.0}
    limits = merged(settings, **limits)
    found = search(*cohorts[:2], limits, journal=Journal(**minute_steps))
    at = ("deformation", 3)
    again = interrupted_and_resumed(cohorts[:2], limits, tmp_path, at, **minute_steps)
    assert again.records == found.records
    check_same(again, found)


@pytest.fixture(scope="module")
def two_rounds(cohorts, settings):
    """A search of two rounds."""
    return search(*cohorts[:2], merged(settings, rounds=2))


def test_a_second_round_begins_with_what_was_found(two_rounds, cohorts, settings):
    found = two_rounds
    one = search(*cohorts[:2], settings)
    count = len(one.records)
    assert without_clock(found.records[:count]) == without_clock(one.records)
    first = of_stage(found, "feature-2")[0]
    assert first["alpha"] == of_stage(found, "deformation")[-1]["alpha"]
    assert of_stage(found, "lam-2")[0]["lam"] == one.lam
    assert found.lam == of_stage(found, "lam-2")[-1]["lam"] != one.lam
    # ω is drawn anew: the second round does not see the loss of the first.
    assert first["train_loss"] != of_stage(found, "feature")[0]["train_loss"]


def test_alpha_learns_under_the_lambda_of_the_round_before(two_rounds):
    found = two_rounds
    for stage, lam in (
        ("feature", found.lam_start),
        ("feature-2", of_stage(found, "lam")[-1]["lam"]),
        ("deformation-2", of_stage(found, "lam")[-1]["lam"]),
    ):
        for record in of_stage(found, stage):
            wanted = sum(lam[name] * record["terms"][name] for name in lam)
            np.testing.assert_allclose(record["train_loss"], wanted, rtol=1e-5)


def test_joint_cells_move_at_once(cohorts, settings):
    found = search(*cohorts[:2], merged(settings, joint=True))
    assert {record["stage"] for record in found.records} == {"joint", "lam"}
    rate = settings.search.feature.learning_rate
    before, after, _ = (record["alpha"] for record in of_stage(found, "joint"))
    for part in ("feature", "deformation"):
        step = np.abs(np.subtract(after[part], before[part]))
        np.testing.assert_allclose(step, rate, rtol=1e-3)
    assert found.lam != found.lam_start


@pytest.mark.slow
def test_pairs_are_averaged_alike_by_both_kinds_of_estimators(cohorts, settings):
    stage = {"steps": 3, "warm_up": 0, "valid_pairs": 3}
    base = merged(settings, feature=stage, deformation=NO_STAGE, lam=NO_STAGE)
    several, looped, single = (
        search(*cohorts[:2], one)
        for one in (
            base,
            merged(base, hypergradient={"name": "unroll", "steps": 1}),
            merged(base, feature={"valid_pairs": 1}),
        )
    )
    values = [
        [record["valid_loss"] for record in found.records]
        for found in (several, looped, single)
    ]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-4)
    assert not np.allclose(values[0], values[2], rtol=1e-3)
    assert np.any(several.alpha.feature)


def test_without_labels_the_images_judge_lambda(cohorts, settings, tmp_path):
    blind = dataclasses.replace(cohorts[1], labels=None, structures=())
    found = search(cohorts[0], blind, settings, run=tmp_path)
    assert all(found.lam[name] != found.lam_start[name] for name in found.lam)
    for record in of_stage(found, "lam")[1:]:
        assert record["indirect_norm"] > 0
        assert record["direct_norm"] == 0
    assert json.loads((tmp_path / "objective.json").read_text())["judge"] == "mind"
    seeing = search(*cohorts[:2], merged(settings, judge="mind"))
    check_same(seeing, found)  # that judge reads no labels


def test_landmarks_judge_lambda(cohorts, settings):
    train, validation, _ = cohorts
    points = np.float32([[[5, 6], [9, 8]], [[6, 6], [10, 8]], [[5, 7], [9, 9]]])
    marked = dataclasses.replace(validation, landmarks=points)
    found = search(train, marked, merged(settings, judge="landmarks"))
    assert all(found.lam[name] != found.lam_start[name] for name in found.lam)
    for record in of_stage(found, "lam")[1:]:
        assert record["indirect_norm"] > 0
        assert 0.3 < record["valid_loss"] < 4  # voxels, hardly registered yet
    blind = dataclasses.replace(marked, labels=None, structures=())
    check_same(search(train, blind, merged(settings, judge="landmarks")), found)


def test_labels_that_are_asked_for_must_be_there(cohorts, settings, tmp_path):
    blind = dataclasses.replace(cohorts[1], labels=None, structures=())
    for judge in ("dice", "landmarks"):
        with pytest.raises(DataError, match=rf"search\.judge is {judge}"):
            search(cohorts[0], blind, merged(settings, judge=judge), run=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(("joint", 3), marks=pytest.mark.slow),
        pytest.param(("lam", 2), marks=pytest.mark.slow),
        pytest.param(("joint-2", 2), marks=pytest.mark.slow),
        ("lam-2", 3),
    ],
    ids=str,
)
def test_all_options_interrupted_and_resumed(everything, cohorts, tmp_path, at):
    found, options = everything
    again = interrupted_and_resumed(cohorts[:2], options, tmp_path, at)
    check_same(again, found)


@pytest.fixture(scope="module")
def everything(cohorts, settings):
    """A search with all options at once, and its settings."""
    stage = {"steps": 4, "warm_up": 1, "valid_pairs": 2}
    options = merged(
        settings,
        feature=stage,
        lam=stage,
        rounds=2,
        joint=True,
        judge="mind",
        positive="exp",
        stop={"ranking": 3, "full_ranking": True, "eigenvalue_every": 1},
    )
    found = search(*cohorts[:2], options)
    assert min(found.lam.values()) > 0
    assert found.lam != found.lam_start
    return found, options
