"""What a search believes against real trainings: correlations, sentences, one run."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from stand_in import SmallNetwork

from autoreg_jax import config
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import read_records
from autoreg_jax.programs import Programs
from autoreg_jax.runtime import RunFolder
from autoreg_jax.search_space import (
    CANDIDATES,
    OPERATIONS,
    ArchitectureLogits,
    Genotype,
)
from autoreg_jax.studies import Protocol, reproduce
from autoreg_jax.studies.reproduce import _reproduce
from autoreg_jax.studies.reproduce._experiment import Experiment
from autoreg_jax.studies.reproduce._search_study import (
    log_probability,
    search_study,
    study_notes,
    study_table,
)

EARLY, WHOLE = "the race after 5 steps", "the race after 9 steps"


def scores_of(*rows):
    """Scores of seeds, each early and after the whole training."""
    return [{EARLY: list(early), WHOLE: list(whole)} for early, whole in rows]


def correlations(scores):
    """By belief."""
    return {r["belief"]: r["correlation"] for r in study_table(scores).records}


def test_a_belief_that_orders_as_the_trainings_do_correlates_fully():
    rising, falling = [0.1, 0.2, 0.5, 0.9, 1.0], [9, 7, 5, 3, 1]
    same = correlations(scores_of((rising, [1, 2, 3, 4, 5])))
    assert same == {EARLY: pytest.approx(1)}
    assert correlations(scores_of((falling, rising)))[EARLY] == pytest.approx(-1)


def test_a_seed_is_compared_with_the_other_seeds():
    one, other = [1, 2, 3, 4, 5], [5, 4, 3, 2, 1]
    found = correlations(scores_of((one, one), (one, other)))
    # The first seed believes the opposite of what the second finds, the second agrees
    # with the first.
    assert found[EARLY] == pytest.approx(0)
    assert found["the whole training, other seeds"] == pytest.approx(-1)


def test_ranks_with_ties_and_divergence_as_by_hand():
    early, whole = [1, 1, 2, 3], [-np.inf, 2, 3, 4]
    # Ranks 1.5 1.5 3 4 against 1 2 3 4: 4.5 / sqrt(4.5 * 5).
    found = correlations(scores_of((early, whole)))[EARLY]
    assert found == pytest.approx(4.5 / np.sqrt(4.5 * 5))


def test_the_interval_is_that_of_fisher():
    rng = np.random.default_rng(0)
    early = rng.standard_normal(28)
    (row,) = study_table(scores_of((early, early + rng.standard_normal(28)))).records
    middle = np.arctanh([row["low"], row["high"]])
    assert middle.mean() == pytest.approx(np.arctanh(row["correlation"]))
    assert np.ptp(middle) == pytest.approx(2 * 1.96 / 5)


def test_the_notes_count_what_diverged_and_leave_it_out():
    first, second = study_notes(
        scores_of(([0] * 4, [0.5, 0.6, 0.3, -np.inf]), ([0] * 4, [0.5, 0.8, 0.3, 0.4]))
    )
    # 0.1, -0.2, 0.3, -0.2 and -0.1 on average; the best one over both seeds has 0.2.
    assert "-0.0200 over the start" in first
    assert "the best of 3 +0.2000; 1 of 6 trainings diverged" in first
    assert "other seeds" in second


class FewNames:
    """A trainer whose table of operations is the usual one."""

    def network(self, trial):
        """As that of a trainer; the operations alone are asked for."""
        return None, None, type("Programs", (), {"candidates": CANDIDATES})


def test_the_belief_of_darts_is_the_log_probability_of_the_genotype():
    cells = (2, 3), (2, 4)
    rng = np.random.default_rng(1)
    alpha = ArchitectureLogits(
        *(jax.numpy.asarray(rng.standard_normal((*c, len(OPERATIONS)))) for c in cells)
    )
    draws = [rng.integers(len(OPERATIONS), size=cell) for cell in cells]
    names = [
        tuple(tuple(OPERATIONS[n] for n in row) for row in drawn) for drawn in draws
    ]
    expected = 0.0
    for logits, drawn in zip(alpha, draws, strict=True):
        weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        picked = np.take_along_axis(weights, drawn[..., None], -1)
        expected += np.log(picked).sum()
    found = log_probability(alpha, Genotype(*names), FewNames())
    assert found == pytest.approx(expected, rel=1e-5)


TINY = {
    "network": {"operations": ["conv_3"]},
    "train": {"steps": 8, "log_every": 1, "learning_rate": 0.01},
    "search": {"judge_pairs": 4},
}


@pytest.fixture
def experiment(settings, cohorts, tmp_path):
    """Two seeds of candidates that share their programs."""
    space = tmp_path / "few.yaml"
    space.write_text(
        "choices:\n"
        "  objective.half: {factors: [0.1, 0.3, 3.0, 10.0]}\n"
        "  objective.smooth: {factors: [0.1, 0.3, 3.0, 10.0]}\n"
    )
    settings = config.merge(settings, TINY)
    settings = config.merge(settings, {"search": {"space": str(space)}})
    protocol = Protocol(config=settings, seeds=2, draws=5)
    table, programs = (
        tmp_path / "dataset.csv",
        Programs(settings, 2, network=SmallNetwork),
    )
    given = protocol, table, *cohorts, float("inf"), programs
    return Experiment(tmp_path, *given)


@pytest.mark.slow
def test_the_study_trains_the_same_candidates_with_each_seed(experiment, monkeypatch):
    monkeypatch.setattr(_reproduce, "open_experiment", lambda *_, **__: experiment)
    folder = experiment.folder
    found = reproduce("search-study", folder, experiment.protocol)
    rows = found.tables["search-study"].records
    assert [row["belief"] for row in rows] == [
        "the race after 2 steps",
        "the race after 4 steps",
        "the whole training, other seeds",
    ]
    for row in rows:
        assert -1 <= row["low"] <= row["correlation"] <= row["high"] <= 1
        assert row["candidates"] == 6
    assert (folder / "search-study.csv").is_file()
    for name in ("start", "1", "5"):
        losses = []
        for seed in (0, 1):
            run = RunFolder(folder / f"seed{seed}" / "candidates")
            records = read_records(run.trials / name / "metrics.jsonl")
            losses.append([r["loss"] for r in records if r["stage"] == "train"])
        assert losses[0] != losses[1]
    again = reproduce("search-study", folder, experiment.protocol)
    assert again.tables["search-study"].records == rows


def test_too_few_candidates_are_refused(experiment):
    few = replace(experiment, protocol=replace(experiment.protocol, draws=2))
    with pytest.raises(ConfigError, match=r"draws: .* 5 candidates .* got 2"):
        search_study(few, 0)
