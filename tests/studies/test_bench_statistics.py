"""Paired differences against closed forms and against scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from autoreg_jax.studies.bench._tables import paired_difference


def _scores(count, shift, seed=0):
    rng = np.random.default_rng(seed)
    others = rng.uniform(0.5, 0.8, count)
    return others + shift + 0.02 * rng.standard_normal(count), others


def test_agrees_with_scipy():
    scores, others = _scores(25, 0.01)
    found = paired_difference(scores, others)
    assert found.mean == pytest.approx(np.mean(scores - others))
    assert found.p_value == pytest.approx(stats.wilcoxon(scores, others).pvalue)
    interval = stats.bootstrap(
        (scores - others,), np.mean, n_resamples=10_000, method="percentile", rng=1
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx(tuple(interval), abs=5e-4)


def test_the_interval_is_that_of_a_mean_of_many():
    scores, others = _scores(400, -0.03)
    found = paired_difference(scores, others)
    error = np.std(scores - others) / math.sqrt(400)
    expected = [found.mean - 1.96 * error, found.mean + 1.96 * error]
    assert [found.low, found.high] == pytest.approx(expected, abs=0.1 * error)


def test_a_constant_difference_has_no_width():
    others = np.array([0.5, 0.25, 0.75, 0.125, 0.625])
    found = paired_difference(others + 0.25, others)
    assert found[:3] == (0.25, 0.25, 0.25)
    # The smallest p that five pairs allow: 2 of the 2^5 signs are so extreme.
    assert found.p_value == pytest.approx(2 / 2**5)


def test_order_of_the_two_turns_the_sign():
    scores, others = _scores(12, 0.02)
    one, other = paired_difference(scores, others), paired_difference(others, scores)
    assert one.mean == pytest.approx(-other.mean)
    assert one.low == pytest.approx(-other.high, abs=5e-4)
    assert one.p_value == pytest.approx(other.p_value)


def test_few_pairs():
    assert all(map(math.isnan, paired_difference([], [])))
    one = paired_difference([0.5, math.nan], [0.25, 0.5])
    assert one.mean == 0.25
    assert all(map(math.isnan, one[1:]))
    assert paired_difference([0.5, 0.5], [0.5, 0.5]).p_value == 1
