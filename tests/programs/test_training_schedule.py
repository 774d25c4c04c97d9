"""The learning rate of a training against its formula."""

import numpy as np
import pytest

from autoreg_jax.config import TrainConfig
from autoreg_jax.errors import ConfigError
from autoreg_jax.programs import Layout
from autoreg_jax.programs._training import (
    frozen_features,
    scale_by_time,
    training_schedule,
)


def _rates(**settings):
    config = TrainConfig(learning_rate=2.0, **({"average": None} | settings))
    schedule = training_schedule(config)
    return np.array([schedule(step) for step in range(config.steps + 1)])


def _cosine(length, warm_up=0):
    rise = np.arange(warm_up) / max(1, warm_up)
    fall = 0.5 + 0.5 * np.cos(np.pi * np.arange(length - warm_up) / (length - warm_up))
    return 2.0 * np.concatenate([rise, fall])


def test_one_cosine_after_a_warm_up():
    np.testing.assert_allclose(_rates(steps=40)[:-1], _cosine(40, 4), atol=1e-6)
    own = _rates(steps=40, warm_up=10)
    np.testing.assert_allclose(own[:-1], _cosine(40, 10), atol=1e-6)
    assert own[-1] == pytest.approx(0, abs=1e-6)


def test_each_cycle_begins_with_the_full_rate():
    found = _rates(steps=32, cycles=3)
    parts = [_cosine(11, 1), _cosine(11), _cosine(10)]
    np.testing.assert_allclose(found[:-1], np.concatenate(parts), atol=1e-6)


def test_a_constant_rate_may_rise_at_first():
    np.testing.assert_array_equal(_rates(steps=4, schedule="constant"), 2.0)
    found = _rates(steps=4, schedule="constant", warm_up=2)
    np.testing.assert_allclose(found, [0, 1, 2, 2, 2])


def test_averaged_weights_need_no_falling_rate():
    """One cycle of them: what a cosine is for does the average."""
    np.testing.assert_array_equal(_rates(steps=4, average=0.9), 2.0)
    falling = _rates(steps=40, average=0.9, schedule="cosine")
    np.testing.assert_array_equal(falling, _rates(steps=40))
    cycles = _rates(steps=40, average=0.9, cycles=2)
    np.testing.assert_array_equal(cycles, _rates(steps=40, cycles=2))


def test_a_warm_up_that_was_cut_short_is_over():
    found = _rates(steps=12, restart=4, warm_up=10)
    np.testing.assert_allclose(found[4:-1], _cosine(8), atol=1e-6)
    late = _rates(steps=12, restart=4, warm_up=10, schedule="constant")
    np.testing.assert_allclose(late, 2.0 * np.minimum(np.arange(13) / 10, 1), 1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 5, "cycles": 6}, "cycles: must be at most 5"),
        ({"steps": 9, "cycles": 3, "warm_up": 3}, "warm_up: must be less than"),
        ({"cycles": 2, "schedule": "constant"}, "cycles: there are 2 cosines"),
        ({"cycles": 2, "omega_steps": "absolute"}, "the learning rate is constant"),
        ({"average": 1.0}, "average: must be > 0 and < 1"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**settings)


def test_frozen_features_do_not_move():
    rng = np.random.default_rng(0)
    tree = {
        "feature_half": {"conv": {"kernel": rng.normal(size=(3, 2)).astype("f")}},
        "velocity_half": {"kernel": rng.normal(size=(4,)).astype("f")},
    }
    layout = Layout(tree)
    frozen = frozen_features(layout)
    vector = layout.to_vector(tree)
    found = layout.to_tree(frozen.update(vector, frozen.init(vector), vector)[0])
    assert not np.any(found["feature_half"]["conv"]["kernel"])
    np.testing.assert_array_equal(
        found["velocity_half"]["kernel"], tree["velocity_half"]["kernel"]
    )


def test_a_restart_begins_the_schedule_again():
    found = _rates(steps=30, restart=20)
    np.testing.assert_allclose(
        found[:-1], np.concatenate([_cosine(20, 2), _cosine(10)]), atol=1e-6
    )


@pytest.mark.parametrize("restart", [0, 5])
def test_the_rate_follows_the_larger_part_of_steps_and_time(restart):
    config = TrainConfig(
        steps=restart + 40,
        restart=restart,
        learning_rate=2.0,
        minutes=1,
        warm_up=2,
        schedule="cosine",
    )
    timed, rates = scale_by_time(config), training_schedule(config)
    state, one = timed.init(None), np.ones(1, "f")
    for step in range(restart + 8):
        used = [0.0, 0.0, 0.25, 0.5, 0.1, 0.75, 0.75, 1.0][max(0, step - restart)]
        update, state = timed.update(one, state, used=used)
        place = step if step < restart else max(step, restart + 40 * used)
        expected = min(rates(place), 2.0 * step / 2)
        np.testing.assert_allclose(-update, expected, rtol=1e-5, atol=1e-6)
    assert abs(float(update[0])) < 1e-6  # nothing is left of the time
