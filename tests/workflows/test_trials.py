"""Searches by real trainings: race, random; what replaces the start and what stays."""

import logging
import pickle
import shutil
from dataclasses import replace

import chex
import jax
import numpy as np
import pytest
import stand_in
from scipy import stats
from stand_in import write_dataset

from autoreg_jax import config, workflows
from autoreg_jax.errors import ArtifactError, ConfigError, NonFiniteError
from autoreg_jax.files import read_json, read_records
from autoreg_jax.inference import load_model
from autoreg_jax.losses import PAPER_WEIGHTS
from autoreg_jax.programs import Programs, cells_of, set_genotype
from autoreg_jax.report._trials import trials_sentence
from autoreg_jax.runtime import ONE_DEVICE
from autoreg_jax.spaces import read_space
from autoreg_jax.workflows.planning import estimate_memory
from autoreg_jax.workflows.strategies import _optuna
from autoreg_jax.workflows.strategies._race import _child, plan_race
from autoreg_jax.workflows.strategies._ranking import base_of, ranked_by
from autoreg_jax.workflows.trials import (
    START,
    Judging,
    Outcome,
    Trainer,
    Trial,
    _memory,
    _price,
    _trainer,
    at_the_end,
    choose_judge,
    combined,
    early_judges,
    finalists_of,
    gain,
    is_affordable,
    is_possible,
    parents_of,
    proposals,
    seed_noise,
    usual_trial,
    verdicts,
)
from autoreg_jax.workflows.trials._contrast import usual_similarity

USUAL, BAD = 0.1, 0.003
RATES = f"choices: {{train.learning_rate: {{values: [{USUAL}, 1.0e+8, 0.1001]}}}}"


TINY = {
    "network": {
        "scales": 2,
        "feature_edges": 1,
        "feature_channels": [4],
        "deformation_channels": [4],
        "num_steps": 2,
    },
    "objective": {"windows": [5, 3, 3]},
    "train": {"steps": 24, "log_every": 2, "average": None, "omega_steps": "relative"},
    "search": {"strategy": "race", "judge_pairs": 6},
    "evaluate": {"pairs": 2, "refine": {"steps": 0}},
}
BASE = config.merge(config.RunConfig(), TINY)
PROGRAMS = Programs(BASE, 2)


def racing(space, rate, **more):
    values = {"train": {"learning_rate": rate}, "search": {"space": str(space)} | more}
    return config.merge(BASE, values)


def search(cohorts, settings, **options):
    return workflows.search(*cohorts[:2], settings, programs=PROGRAMS, **options)


def plain_training(cohorts, settings, found):
    return workflows.train(
        cohorts[0], settings, found.genotype, found.lam, programs=PROGRAMS
    )


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "rates.yaml"
    path.write_text(RATES)
    return path


def same(one, other):
    np.testing.assert_array_equal(_weights(one), _weights(other))


def test_a_start_that_learns_nothing_is_replaced_by_what_learns(
    cohorts, space, tmp_path
):
    bad = racing(space, BAD, trainings=3.5)
    found = search(cohorts, bad, run=tmp_path)
    assert set(found.settings) == {"train.learning_rate"}
    rate = found.settings["train.learning_rate"]
    assert rate == pytest.approx(USUAL, rel=0.01)
    decision = found.decision
    assert decision["is_decided"]
    assert decision["gain"]["low"] > 0
    assert decision == read_json(tmp_path / "search.json")
    diverged = [t for t in decision["trials"] if "diverged" in t]
    assert {t["changes"]["train.learning_rate"] for t in diverged} == {1e8}
    # The winner is the training of the run with these settings, bit for bit.
    plain = config.merge(bad, {"train": {"learning_rate": rate}})
    same(found.model, plain_training(cohorts, plain, found))
    again = search(cohorts, bad, run=tmp_path, resume=True)
    assert again.decision == decision
    same(again.model, found.model)


def test_a_start_that_nothing_beats_stays(cohorts, space, caplog):
    good = racing(space, USUAL)
    with caplog.at_level(logging.INFO):
        found = search(cohorts, good)
    assert found.settings == {}
    assert not found.decision["is_decided"]
    assert found.lam == found.lam_start
    assert "the start" in caplog.text
    same(found.model, plain_training(cohorts, good, found))


def test_a_start_that_diverges_costs_one_candidate(cohorts, space, caplog):
    found = search(cohorts, racing(space, 1e8))
    assert found.settings["train.learning_rate"] < 1
    assert "takes its place" in caplog.text
    # It was replaced, and nothing says that it stays.
    assert found.decision["is_decided"]
    assert found.decision["gain"] is None
    assert "diverged and was replaced" in trials_sentence(found.decision)


def test_a_start_that_diverges_at_the_end_is_replaced(cohorts, space, monkeypatch):
    """Its weights are fine until then, and nothing has beaten it before."""
    whole = Trainer.advance

    def advance(self, trial, steps, devices=ONE_DEVICE, most_seconds=1e9):
        found = whole(self, trial, steps, devices, most_seconds)
        is_start = trial.name == "start"
        why = "made up" if is_start and steps == 24 else found.diverged
        worse = {n: s - (0 if is_start else 1) for n, s in found.scores.items()}
        return replace(found, diverged=why, scores=worse)

    monkeypatch.setattr(Trainer, "advance", advance)
    found = search(cohorts, racing(space, USUAL))
    assert found.decision["chosen"] != "start"
    assert found.decision["is_decided"]


def test_a_training_that_diverges_with_finite_losses_is_stopped(cohorts):
    wild = config.merge(BASE, {"train": {"learning_rate": 2.0}})
    journal = workflows.Journal()
    genotype = set_genotype(BASE, cells_of(PROGRAMS.mixed))
    with pytest.raises(
        NonFiniteError,
        match=r"step \d+ \(learning rate .*\): the training has diverged",
    ):
        workflows.train(
            cohorts[0],
            wild,
            genotype,
            dict(PAPER_WEIGHTS),
            programs=PROGRAMS,
            journal=journal,
        )
    assert all(np.isfinite(record["loss"]) for record in journal.records)


def test_nothing_is_chosen_where_everything_diverges(cohorts, tmp_path):
    path = tmp_path / "wild.yaml"
    path.write_text("choices: {objective.smooth: {factors: [3.0]}}")
    with pytest.raises(NonFiniteError, match="the 2 others that were tried"):
        search(cohorts, racing(path, 1e8))


def test_random_search_compares_whole_trainings(cohorts, space, equal_prices):
    run = racing(space, BAD, strategy="random", trainings=3)
    found = search(cohorts, run)
    tried = [t for t in found.decision["trials"] if t["trial"] != "start"]
    assert len(tried) == 3
    assert {t["steps"] for t in tried} == {24}
    assert found.decision["is_decided"]


def test_settings_that_a_network_of_ones_own_ignores_are_not_tried(cohorts, settings):
    wide = {"search": {"strategy": "random", "trainings": 2, "judge_pairs": 2}}
    run = config.merge(settings, wide)
    found = stand_in.search(*cohorts[:2], run)
    names = {name for t in found.decision["trials"] for name in t["changes"]}
    assert names
    assert not any(name.startswith("network.") for name in names)
    assert "objective.similarity" not in names


def test_a_space_without_options_ends(cohorts, tmp_path):
    path = tmp_path / "nothing.yaml"
    path.write_text(f"choices: {{train.learning_rate: {{values: [{USUAL}]}}}}")
    nothing = racing(path, USUAL, strategy="random", trainings=1)
    decision = search(cohorts, nothing).decision
    assert [t["trial"] for t in decision["trials"]] == ["start"]


def test_optuna_finds_what_learns(cohorts, space, equal_prices):
    pytest.importorskip("optuna", reason="pip install autoreg_jax[optuna]")
    found = search(cohorts, racing(space, BAD, strategy="optuna", trainings=2))
    assert found.decision["is_decided"]
    steps = {t["trial"]: t["steps"] for t in found.decision["trials"]}
    spent = sum(steps.values()) - steps["start"]
    assert 2 * 24 - 24 <= spent <= 2 * 24 + 12  # the last one may end a little later
    again = search(cohorts, racing(space, BAD, strategy="optuna", trainings=2))
    rows = found.decision["trials"], again.decision["trials"]
    for one, other in zip(*rows, strict=True):
        assert one["changes"] == other["changes"]
        assert one.get("scores") == other.get("scores")


def test_a_trainer_goes_to_another_process(cohorts, space, tmp_path):
    genotype = set_genotype(BASE, cells_of(PROGRAMS.mixed))
    short = config.merge(racing(space, USUAL), {"train": {"steps": 8}})
    trainer = Trainer(*cohorts[:2], short, tmp_path / "here", genotype, PROGRAMS)
    there = pickle.loads(pickle.dumps(trainer))
    there.folder, there.programs = tmp_path / "there", PROGRAMS
    trial = pickle.loads(pickle.dumps(Trial("1", {"train.learning_rate": 0.05})))
    one, other = trainer.advance(trial, 2), there.advance(trial, 2)
    np.testing.assert_array_equal(one.scores["dice"], other.scores["dice"])
    # From the second record on, so that compilation does not count.
    assert trainer.advance(trial, 4).seconds == 0.0
    # What was done is read, and not done again.
    assert trainer.advance(trial, 2).seconds == one.seconds
    one, other = trainer.advance(trial, 8), there.advance(trial, 8)
    assert one.seconds > 0
    np.testing.assert_array_equal(one.scores["dice"], other.scores["dice"])


def test_a_trial_without_its_checkpoint_is_trained_again(
    cohorts, space, tmp_path, caplog
):
    genotype = set_genotype(BASE, cells_of(PROGRAMS.mixed))
    short = config.merge(racing(space, USUAL), {"train": {"steps": 4}})
    trial = Trial("1")
    trainer = Trainer(*cohorts[:2], short, tmp_path, genotype, PROGRAMS)
    trainer.advance(trial, 4)
    before = trainer.model(trial)
    checkpoints = tmp_path / "1" / "checkpoints"
    shutil.rmtree(checkpoints)
    after = trainer.model(trial)
    chex.assert_trees_all_equal(after.params, before.params)
    assert "its last checkpoint is missing; it is trained again" in caplog.text
    (name,) = checkpoints.rglob("_CHECKPOINT_METADATA")
    name.write_text("[]")
    words = rf"damaged .* delete {tmp_path / '1'} and resume"
    with pytest.raises(ArtifactError, match=words):
        trainer.model(trial)


@pytest.mark.slow
def test_processes_find_the_same(cohorts, space):
    short = config.merge(racing(space, USUAL, trainings=2.0), {"train": {"steps": 8}})
    alone = search(cohorts, short)
    together = search(cohorts, config.merge(short, {"search": {"workers": 2}}))
    rows = alone.decision["trials"], together.decision["trials"]
    for one, other in zip(*rows, strict=True):
        assert one["trial"] == other["trial"]
        assert one.get("scores") == pytest.approx(other.get("scores"), abs=1e-3)
        assert ("gain" in one) == ("gain" in other)


def test_the_whole_job_keeps_the_settings_that_were_found(cohorts, space, tmp_path):
    table, run = write_dataset(tmp_path, cohorts), tmp_path / "run"
    workflows.auto(table, run, racing(space, BAD), with_report=False)
    decision = read_json(run / "search.json")
    assert decision["is_decided"]
    # What the run was started with, and what it is now.
    assert config.load(run / "config.yaml").train.learning_rate == BAD
    found = decision["settings"]["train.learning_rate"]
    assert workflows.config_of(run).train.learning_rate == found
    records = read_records(run / "metrics.jsonl")
    assert [r["step"] for r in records if r["stage"] == "train"][-1] == 24
    model = load_model(run)
    same(model, load_model(run / "trials" / decision["chosen"] / "model"))
    more = workflows.train_run(run, more=2)
    assert not np.array_equal(*map(_weights, (more, model)))
    assert config.load(run / "config.yaml").train.learning_rate == found


def _weights(model):
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(model.params)])


def test_a_budget_is_divided():
    early, trials, finalists = plan_race(400, 10, 3.0)
    assert (early, finalists) == (100, 2)
    # The field, a combination, a reserve of as much, and two that go on to the end.
    spent = (trials + 2) * early + 2 * (400 - early)
    assert spent <= 3 * 400 < spent + early
    # A small budget trains one to the end: 100 + 300 steps and the field.
    assert plan_race(400, 10, 1.5) == (100, 2, 1)
    assert plan_race(400, 10, 1.25) == (100, 1, 1)
    assert plan_race(200, 10, 3.0).early == 50
    assert plan_race(40, 1, 3.0).early == 20
    with pytest.raises(ConfigError, match=r"needs .* at least, got 0\.5"):
        plan_race(400, 10, 0.5)


@pytest.fixture
def equal_prices(monkeypatch):
    """The seconds of so few steps say nothing."""
    for module in (_price, _optuna):
        monkeypatch.setattr(module, "price", lambda outcome, start: 1.0)


def trial_of(name, seconds, steps=100):
    return Outcome(Trial(name), steps, {}, seconds)


def test_dear_trials_leave_less_for_others(caplog):
    start = trial_of(START, 1.0)
    cheap, like, dear = (trial_of(n, s) for n, s in [("1", 0.5), ("2", 1.0), ("3", 2)])

    def chosen(ranked, budget):
        seen = [start, cheap, like, dear]  # which have cost 0.125 + 0.25 + 0.5
        found = finalists_of(ranked, 2, seen, start, 400, budget)
        return [outcome.trial.name for outcome in found]

    assert chosen([like, cheap], 3.0) == ["2", "1"]
    # 0.875 + 1.5 + 0.75 = 3.125, and 0.875 + 1.5 + 0.375 = 2.75.
    assert chosen([dear, like], 3.2) == ["3", "2"]
    assert chosen([dear, like], 3.1) == ["3"]
    assert chosen([dear, like, cheap], 2.8) == ["3", "1"]
    # Alone it costs 1.5 more: beyond the whole budget it is not trained.
    with caplog.at_level(logging.INFO):
        assert chosen([dear, like], 1.4) == ["2"]
    assert "(search.trainings)" in caplog.text
    # The start's own training is not counted; a price that is not known is that of it.
    assert is_affordable([trial_of("1", 1.0, 400)], start, 400, 1.5)
    assert not is_affordable([trial_of("1", 1.1, 400)], start, 400, 1.5)
    assert is_affordable([trial_of("1", 0.0, 400)], start, 400, 1.5)
    # A whole training of each parent has to fit into the budget.
    for budget, names in ((2.0, ["3", "2"]), (1.9, ["2", "1"])):
        found = parents_of([dear, like, cheap], 2, start, budget)
        assert [outcome.trial.name for outcome in found] == names


def test_candidates_change_the_usual_settings_unless_the_start_is_better():
    rest = {name: np.zeros(20) for name in ("dice", "mind")}
    step = np.linspace(-0.1, 0.1, 20)

    def scored(name, mean):
        scores = dict.fromkeys(rest, mean + step)
        return Outcome(Trial(name), 50, scores)

    start = scored(START, 0.5)
    for mean, base in ((0.9, "usual"), (0.5, "usual"), (0.48, "usual"), (0.1, START)):
        assert base_of("auto", rest, start, [scored("usual", mean)]).trial.name == base
    assert base_of("auto", rest, start, []) is start
    lost, usual = replace(start, diverged="made up"), scored("usual", 0.1)
    assert base_of("auto", rest, lost, [usual]) is usual


def test_trials_lie_around_what_they_change(cohorts, tmp_path):
    genotype = set_genotype(BASE, cells_of(PROGRAMS.mixed))
    macro, rng = read_space("macro"), np.random.default_rng(0)
    odd = {"objective": {"similarity": "mind", "smooth": 0.5}}
    trainer = Trainer(*cohorts[:2], config.merge(BASE, odd), tmp_path, genotype)
    usual = usual_trial(macro, trainer)
    assert usual.name == "usual"
    # One contrast: the correlation, which the images say and not the configuration.
    assert usual.changes["objective.similarity"] == "ncc"
    smooth = config.RunConfig().objective.smooth
    assert usual.changes["objective.smooth"] == smooth
    assert set(usual.changes) >= {"network.scales", "objective.windows"}
    near = proposals(macro, trainer, 4, rng, usual)
    assert len(near) == 4
    for trial in near:
        assert trial.changes.keys() >= usual.changes.keys()
        differs = {n for n, v in trial.changes.items() if usual.changes.get(n) != v}
        assert 1 <= len(differs) <= 2
    # Around the usual settings there is nothing to return to, and the judge is checked.
    there = Trainer(*cohorts[:2], trainer.settings(usual), tmp_path, genotype)
    assert usual_trial(macro, there) is None
    first, *_ = proposals(macro, there, 2, rng)
    assert first.changes == {"objective.smooth": 2 * smooth}


def test_the_usual_similarity_is_that_of_the_contrasts(cohorts):
    alike = Judging(cohorts[1], BASE)
    assert usual_similarity(alike) == "ncc"
    images = np.array(cohorts[1].images)
    moving = sorted({one for one, _ in alike.pairs[:1]})
    images[moving] = np.where(images[moving] > 0.1, 1.1 - images[moving], 0)
    unlike = Judging(replace(cohorts[1], images=images), BASE, alike.pairs[:1])
    assert usual_similarity(unlike) == "mind"
    flat = replace(cohorts[1], images=np.full_like(images, 0.5))
    assert usual_similarity(Judging(flat, BASE)) is None


def test_a_trial_without_the_memory_costs_one_candidate(
    cohorts, space, tmp_path, monkeypatch
):
    genotype = set_genotype(BASE, cells_of(PROGRAMS.mixed))
    trainer = Trainer(*cohorts[:2], BASE, tmp_path, genotype, PROGRAMS)
    wide, full = (
        Trial("1", {"network.width": 2.0}),
        Trial("2", {"network.resolution": "full"}),
    )
    assert is_possible(trainer, full)
    # One image of 16 x 16 voxels takes 2 kB, a step with the start some 0.1 MB.
    least = estimate_memory((16, 16), 4, BASE)
    most = int(1.01 * (least.train + least.images))
    monkeypatch.setattr(_memory, "device_memory", lambda: ("gpu", most))
    assert not is_possible(trainer, full)
    assert not is_possible(trainer, wide)
    assert is_possible(trainer, Trial("3", {"train.learning_rate": 0.05}))
    # A search does not turn listed pairs round.
    turned = Trial("4", {"train.directions": "both"})
    monkeypatch.setattr(_memory, "device_memory", lambda: ("gpu", None))
    assert is_possible(trainer, turned)
    listed = replace(trainer.train, pairs=((0, 1),))
    assert not is_possible(replace(trainer, train=listed), turned)
    monkeypatch.setattr(_memory, "device_memory", lambda: ("gpu", most))
    # The start is trained whatever the estimate says, and what takes no more.
    monkeypatch.setattr(_memory, "device_memory", lambda: ("gpu", 1))
    assert is_possible(trainer, Trial("3", {"train.learning_rate": 0.05}))
    monkeypatch.setattr(_memory, "device_memory", lambda: ("tpu", None))
    assert is_possible(trainer, full)

    def fail(message):
        def trained(*_):
            raise jax.errors.JaxRuntimeError(message)

        return trained

    monkeypatch.setattr(trainer, "_trained", fail("RESOURCE_EXHAUSTED: no 9 GiB"))
    assert "memory of the device" in trainer.advance(Trial("4"), 2).diverged
    monkeypatch.setattr(trainer, "_trained", fail("INTERNAL: no device"))
    with pytest.raises(jax.errors.JaxRuntimeError, match="no device"):
        trainer.advance(Trial("5"), 2)


def test_a_trial_that_is_too_dear_is_left(cohorts, space, tmp_path, monkeypatch):
    monkeypatch.setattr(_trainer, "_TELLING", 0.0)
    settings = racing(space, USUAL)
    genotype = set_genotype(BASE, cells_of(PROGRAMS.mixed))
    trainer = Trainer(*cohorts[:2], settings, tmp_path, genotype, PROGRAMS)
    like = trainer.advance(Trial("1"), 12, most_seconds=1e3)
    dear = trainer.advance(Trial("2"), 12, most_seconds=1e-9)
    assert (like.steps, like.is_too_dear) == (12, False)
    # The first record holds compilation, the next two tell how long a step takes.
    assert (dear.steps, dear.is_too_dear, dear.scores) == (6, True, {})
    assert dear.seconds > 1e-9
    again = trainer.advance(Trial("2"), 12)
    assert (again.steps, again.is_too_dear) == (6, True)


def test_time_may_be_less_than_the_budget(cohorts, space):
    """Of trainings that take a second or so each, without compilation."""
    with pytest.raises(ConfigError, match=r"also by the time of search\.minutes"):
        search(cohorts, racing(space, USUAL, minutes=1e-6))


def test_an_interval_covers_pairs_and_seeds():
    rng = np.random.default_rng(0)
    start = rng.normal(0.8, 0.05, 12)
    trial = start + rng.normal(0.01, 0.004, 12)
    only_pairs = gain(trial, start, 0.0)
    theirs = stats.ttest_rel(trial, start).confidence_interval()
    assert (only_pairs.low, only_pairs.high) == pytest.approx(tuple(theirs))
    assert gain(trial, start, 0.01).high > only_pairs.high
    moved = gain(trial + 0.5, start, 0.01)
    assert moved.high - moved.low == pytest.approx(
        gain(trial, start, 0.01).high - gain(trial, start, 0.01).low
    )
    # The noise of seeds grows with what registration gains, in any unit.
    rest = start - 0.2
    assert seed_noise(start, rest, 1000) == pytest.approx(0.001)
    assert seed_noise(7 * start, 7 * rest, 1000) == pytest.approx(7 * 0.001)
    # Short trainings depend more on it, and gains and losses do not cancel.
    assert seed_noise(start, rest, 200) == pytest.approx(0.007)
    assert seed_noise(start, rest, 100) == pytest.approx(0.2 * (0.064 * 0.035) ** 0.5)
    assert seed_noise(start, rest, 9000) == pytest.approx(0.001)
    # Averaged weights at a constant rate depend on it less, until both are long.
    calm = [seed_noise(start, rest, n, has_constant_rate=True) for n in (50, 200, 999)]
    wild = [seed_noise(start, rest, n) for n in (50, 200, 999)]
    assert calm[0] < wild[0]
    assert calm[1] < wild[1] / 2
    assert calm[2] == pytest.approx(wild[2], rel=0.01)
    assert seed_noise(np.zeros(2), np.array([0.2, -0.2]), 9) == pytest.approx(0.0128)


@pytest.mark.parametrize("tries", [1, 3])
def test_false_decisions_are_rare(tries):
    """Trainings that differ by pairs and seeds alone: at most 2.5 % of searches win."""
    rng, wins = np.random.default_rng(1), 0
    for _ in range(2000):
        quality = rng.normal(0.8, 0.05, 10)
        start, *others = (
            quality + rng.normal(0, 0.002) + rng.normal(0, 0.003, 10)
            for _ in range(1 + tries)
        )
        best = max(others, key=np.mean)
        wins += gain(best, start, 0.002, tries).is_decided
    assert wins / 2000 < 0.025


def outcome(dice, mind=None):
    dice = np.asarray(dice)
    mind = dice if mind is None else np.asarray(mind)
    return Outcome(Trial("x"), 10, {"dice": dice, "soft_dice": dice, "mind": mind})


def test_a_judge_that_asks_for_no_motion_is_replaced(caplog):
    rest = {"dice": np.full(4, 0.8), "soft_dice": np.full(4, 0.8)}
    rest["mind"] = np.full(4, -0.5)
    start = outcome([0.7, 0.7, 0.7, 0.8], [-0.4, -0.3, -0.3, -0.4])
    smoother = outcome([0.7, 0.7, 0.8, 0.7], [-0.4, -0.4, -0.4, -0.5])
    found = verdicts(rest, start, [smoother], smoother)
    assert choose_judge("dice", found) == "mind"
    assert "dice prefers no registration" in caplog.text
    caplog.clear()
    rest["mind"] = np.full(4, 0.0)
    assert choose_judge("dice", verdicts(rest, start, [smoother], smoother)) is None
    rest["dice"] = np.full(4, 0.5)
    assert choose_judge("auto", verdicts(rest, start, [start], start)) == "dice"
    assert "cannot tell" in caplog.text


def said_of(name, rest, *scores):
    """What a judge says of trials with these mean scores, the start first."""
    start, *others = (
        Outcome(Trial(str(k)), 10, {name: np.array([score, score + 0.01])})
        for k, score in enumerate(scores)
    )
    return verdicts({name: np.array([rest, rest + 0.01])}, start, others)[0]


def test_a_judge_is_doubted_only_at_the_end(caplog):
    begun = [said_of("dice", 0.64, 0.58, 0.62), said_of("mind", -0.03, -0.02, -0.01)]
    assert early_judges("auto", begun) == ["dice", "mind"]
    assert early_judges("mind", begun) == ["mind"]
    moving = [said_of("dice", 0.5, 0.58), begun[1]]
    assert early_judges("auto", moving) == ["dice"]
    trained = [said_of("dice", 0.64, 0.63, 0.66), begun[1]]
    ended = at_the_end([replace(b, sees_smoothness=False) for b in begun], trained)
    assert choose_judge("auto", ended) == "dice"
    assert "dice cannot tell the start from one with more smoothness" in caplog.text
    assert choose_judge("auto", begun) == "mind"


def test_finalists_come_from_both_judges():
    rest = {"dice": np.array([0.6, 0.61]), "mind": np.array([-0.03, -0.031])}

    def outcome(name, dice, mind):
        scores = {"dice": np.array([dice, dice]), "mind": np.array([mind, mind])}
        return Outcome(Trial(name), 10, scores)

    start = outcome(START, 0.5, -0.03)
    both, overlap, alike = (
        outcome("1", 0.56, -0.025),
        outcome("2", 0.58, -0.028),
        outcome("3", 0.51, -0.01),
    )
    found = ranked_by(["dice", "mind"], rest, start, [both, overlap, alike])
    assert [one.trial.name for one in found] == ["2", "3", "1"]
    found = ranked_by(["dice"], rest, start, [both, overlap, alike])
    assert [one.trial.name for one in found] == ["2", "1", "3"]


def test_a_combination_has_the_changes_of_both():
    one, other = Trial("1", {"a": 1, "b": 2}), Trial("2", {"b": 3, "c": 4})
    both = combined(one, other, "both")
    assert both is not None
    assert dict(both.changes) == {"a": 1, "b": 2, "c": 4}
    assert combined(one, Trial("3", {"b": 9}), "none") is None


def test_all_that_may_be_better_is_combined(cohorts, space, tmp_path):
    genotype = set_genotype(BASE, cells_of(PROGRAMS.mixed))
    trainer = Trainer(*cohorts[:2], BASE, tmp_path, genotype, PROGRAMS)

    def child_of(*changes, base=None):
        trials = [Trial(str(n), one) for n, one in enumerate(changes)]
        parents = [Outcome(trial, 12, {}) for trial in trials]
        child = _child(Trial("usual", base or {}), parents, trainer)
        return child and dict(child.changes)

    rate, pairs = {"train.learning_rate": 0.06}, {"train.batch_size": 2}
    both = {"train.learning_rate": 0.01, "train.directions": "both"}
    assert child_of(rate, pairs, both) == {**both, **pairs, **rate}
    # Settings that exclude each other are not combined; one trial is no combination.
    assert child_of(rate, {"network.scales": 0}, pairs) == {**rate, **pairs}
    assert child_of(rate, {"train.learning_rate": 0.01}) is None
    assert child_of() is None
    # What all of them have from the base does not hide what one of them changes of it.
    base = {"train.learning_rate": 0.03, "network.matching": [1]}
    found = child_of({**base, **pairs}, {**base, **rate}, base=base)
    assert found == {"network.matching": [1], **pairs, **rate}
