"""The steps of a network that is told the weights of its loss."""

from types import SimpleNamespace

import numpy as np
import pytest
from stand_in import make_cohort
from unoptimised import quick

from autoreg_jax.bilevel import PairBatch, objective_problem
from autoreg_jax.config import TrainConfig
from autoreg_jax.losses import Objective
from autoreg_jax.networks import Conditions, Registration
from autoreg_jax.programs import TrainingData, _pair_loss, on_device, training_step
from autoreg_jax.spatial import Pyramid

LAM = {name: np.float32(w) for name, w in (("full", 2.0), ("smooth", 3.0))}
ROW = np.array([0, 1]), np.array([2, 3])


class Recorder:
    """An algorithm that keeps what it is given."""

    def __init__(self):
        self.given = []

    def step(self, state, batch, used):
        """Of one batch."""
        self.given.append(batch)
        return state, used

    def gradient(self, state, batch):
        """Of one of several batches."""
        self.given.append(batch)
        return state.step

    def update(self, state, mean, used):
        """By their mean."""
        del mean
        return state, used


def steps(conditions, count=1, accumulate=1):
    """The batches of steps and their weights."""
    recorder = Recorder()
    data = TrainingData(on_device(make_cohort(4, 5)), LAM)
    step = training_step(
        recorder, 0, accumulate, conditions=conditions, is_compiled=False
    )
    for number in range(count):
        step(SimpleNamespace(step=np.int32(number)), ROW, data)
    return recorder.given


def test_each_step_is_told_the_weights_under_which_it_is():
    given = steps(Conditions(("smooth",), 5.0), 64)
    moves = np.array([float(batch.condition[0]) for batch, _ in given])
    for (batch, lam), move in zip(given, moves, strict=True):
        assert batch.condition.shape == (1,)
        assert lam["full"] == LAM["full"]
        np.testing.assert_allclose(lam["smooth"], 3 * np.exp(move), rtol=1e-5)
    # Evenly between a fifth and five times.
    np.testing.assert_allclose(moves[0], 0, atol=1e-6)
    counts = np.histogram(moves, 8, (-np.log(5), np.log(5)))[0]
    assert counts.sum() == 64
    assert counts.min() >= 6


def test_the_batches_of_a_step_are_under_the_same_weights():
    (one, lam), (other, same) = steps(Conditions(("smooth",), 5.0), 1, 2)
    assert one.moving.shape[0] == other.moving.shape[0] == 1
    assert one.condition == other.condition
    assert lam == same


def test_a_network_that_is_told_nothing_learns_under_lambda():
    ((batch, lam),) = steps(None)
    assert batch.condition is None
    assert lam is LAM


class Told:
    """Moves everything by what it is told, voxels."""

    conditions = 1

    def apply(self, variables, moving, fixed, alpha=None, condition=(0.0,)):
        """The same vector everywhere."""
        del variables, alpha
        full = condition[0] * np.ones((*fixed.shape[:-1], 2), np.float32)
        half, quarter = full[:, ::2, ::2] / 2, full[:, ::4, ::4] / 4
        assert moving.shape == fixed.shape
        return Registration(half, Pyramid(full, half, quarter))


@pytest.mark.parametrize("directions", ["one", "both"])
def test_every_loss_tells_the_network_the_condition(directions):
    image = make_cohort(1, 5).images
    moved = np.roll(image, (1, 1), (1, 2))
    objective, settings = Objective(windows=(5, 3, 3)), TrainConfig
    loss = quick(
        _pair_loss.pair_loss(Told(), objective, settings(directions=directions))
    )
    one = quick(objective_problem(Told(), objective).inner_terms)
    lam, condition = {"full": 1.0}, np.ones(1, np.float32)
    pair = PairBatch(moved, image, condition=condition)
    swapped = PairBatch(image, moved, condition=condition)
    aligned, away = (float(one({}, lam, batch)[0]) for batch in (pair, swapped))
    assert aligned < away - 0.05
    expected = aligned if directions == "one" else (aligned + away) / 2
    assert float(loss({}, lam, pair)[0]) == pytest.approx(expected, rel=1e-5)
