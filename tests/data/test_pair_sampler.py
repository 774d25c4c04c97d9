"""The pairs of a step are a pure function of seed and step and cover every epoch."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoreg_jax.data import PairSampler, evaluation_pairs

SIZES = st.integers(2, 9)


def stream(sampler, num_pairs):
    """The first pairs of a sampler, step after step."""
    steps = -(-num_pairs // sampler.batch_size)
    batches = [np.stack(sampler[step], -1) for step in range(steps)]
    return [tuple(pair) for pair in np.concatenate(batches)[:num_pairs].tolist()]


@given(size=SIZES, batch=st.integers(1, 7), seed=st.integers(0, 5))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_each_epoch_holds_every_ordered_pair_once(size, batch, seed):
    sampler = PairSampler(size, batch_size=batch, seed=seed)
    count = size * (size - 1)
    assert sampler.pairs_per_epoch == count
    pairs = stream(sampler, 3 * count)
    everything = {(m, f) for m in range(size) for f in range(size) if m != f}
    for epoch in range(3):
        assert set(pairs[epoch * count : (epoch + 1) * count]) == everything


def test_any_step_in_any_order():
    forward = [PairSampler(7, batch_size=4, seed=1)[step] for step in range(40)]
    sampler = PairSampler(7, batch_size=4, seed=1)
    for step in reversed(range(40)):
        np.testing.assert_array_equal(sampler[step], forward[step])
        np.testing.assert_array_equal(sampler[step], sampler[step])


def test_changing_a_batch_does_not_change_the_sampler():
    sampler = PairSampler(5, batch_size=20)
    moving, fixed = sampler[0]
    expected = moving.copy()
    moving[:] = fixed[:] = 0
    np.testing.assert_array_equal(sampler[0][0], expected)


def test_epochs_and_seeds_differ():
    pairs = stream(PairSampler(6, seed=0), 60)
    assert pairs[:30] != pairs[30:]
    assert pairs[:30] != stream(PairSampler(6, seed=1), 30)


def test_batch_shapes():
    moving, fixed = PairSampler(3, batch_size=100)[10**9]
    assert moving.shape == fixed.shape == (100,)
    assert moving.dtype.kind == fixed.dtype.kind == "i"
    assert (moving != fixed).all()
    assert moving.min() >= 0
    assert max(moving.max(), fixed.max()) == 2


@pytest.mark.parametrize(
    "arguments",
    [{"num_subjects": 1}, {"batch_size": 0}, {"seed": -1}],
)
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="got"):
        PairSampler(**{"num_subjects": 4, **arguments})


def test_negative_step():
    with pytest.raises(IndexError, match="-1"):
        PairSampler(4)[-1]


@given(size=SIZES, wanted=st.integers(1, 80), seed=st.integers(0, 5))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_evaluation_pairs_are_distinct_and_even(size, wanted, seed):
    pairs = evaluation_pairs(size, wanted, seed)
    assert len(pairs) == len(set(pairs)) == min(wanted, size * (size - 1))
    assert all(moving != fixed for moving, fixed in pairs)
    for side in range(2):
        counts = np.bincount([pair[side] for pair in pairs], minlength=size)
        assert counts.max() - counts.min() <= 1
    assert pairs == evaluation_pairs(size, wanted, seed)


@pytest.mark.parametrize("arguments", [(1, 1), (4, 0)])
def test_no_evaluation_pairs(arguments):
    with pytest.raises(ValueError, match="at least"):
        evaluation_pairs(*arguments)


@given(size=SIZES, seed=st.integers(0, 5), step=st.integers(0, 10**6))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_pairs_of_everyone_are_what_they_always_were(size, seed, step):
    """Runs of earlier versions are repeated number by number."""
    count = size * (size - 1)
    epoch, place = divmod(step, count)
    pair = np.random.default_rng((seed, epoch)).permutation(count)[place]
    moving, other = divmod(int(pair), size - 1)
    drawn = PairSampler(size, seed=seed)[step]
    assert [side.tolist() for side in drawn] == [[moving], [other + (other >= moving)]]


@given(
    size=SIZES,
    seed=st.integers(0, 5),
    sides=st.tuples(*[st.sets(st.integers(0, 8), min_size=1)] * 2),
)
@settings(deadline=None, max_examples=40, derandomize=True)
def test_roles(size, seed, sides):
    moving, fixed = ([i for i in sorted(side) if i < size] for side in sides)
    allowed = {(m, f) for m in moving for f in fixed if m != f}
    roles: dict[str, Any] = {"moving": moving, "fixed": fixed}
    if not allowed:
        with pytest.raises(ValueError, match="no two subjects"):
            PairSampler(size, seed=seed, **roles)
        return
    pairs = stream(PairSampler(size, seed=seed, **roles), 2 * len(allowed))
    assert set(pairs[: len(allowed)]) == set(pairs[len(allowed) :]) == allowed
    chosen = evaluation_pairs(size, 100, seed, **roles)
    assert len(chosen) == len(allowed)
    assert set(chosen) == allowed


# What earlier versions drew: runs are repeated number by number.
RECORDED = [[22161, 44447], [35168, 8846]]


def test_pairs_of_many_subjects_need_no_table(monkeypatch):
    monkeypatch.setattr("autoreg_jax.data.cohort._sampling._MOST_PERMUTED", 0)
    count = 130
    sampler = PairSampler(count, batch_size=count, seed=3)
    pairs = np.concatenate([np.stack(sampler[s], -1) for s in range(count - 1)])
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert len(np.unique(pairs, axis=0)) == count * (count - 1)
    # In no order: neighbours differ by a third of the range on average.
    apart = np.abs(np.diff(pairs, axis=0)).mean(0) / count
    np.testing.assert_allclose(apart, 1 / 3, atol=0.01)
    for other in (PairSampler(count, seed=4)[0], sampler[count - 1]):
        assert (np.resize(other[0], count) == pairs[:count, 0]).mean() < 0.1


def test_pairs_of_very_many_subjects():
    sampler = PairSampler(65_000, batch_size=2, seed=3)
    assert [side.tolist() for side in sampler[10**9]] == RECORDED


@given(
    groups=st.lists(st.integers(0, 2), min_size=2, max_size=9),
    sides=st.lists(
        st.sampled_from(["moving", "fixed", "both"]), min_size=9, max_size=9
    ),
    seed=st.integers(0, 3),
)
@settings(deadline=None, max_examples=60, derandomize=True)
def test_both_of_a_pair_are_of_one_group(groups, sides, seed):
    count = len(groups)
    moving = [one for one in range(count) if sides[one] != "fixed"]
    fixed = [one for one in reversed(range(count)) if sides[one] != "moving"]
    expected = {
        (one, other)
        for one in moving
        for other in fixed
        if one != other and groups[one] == groups[other]
    }
    given: dict[str, Any] = {"moving": moving, "fixed": fixed, "groups": groups}
    found = evaluation_pairs(count, 100, seed, **given)
    assert sorted(found) == sorted(expected)
    if not expected:
        with pytest.raises(ValueError, match="no two subjects"):
            PairSampler(count, seed=seed, **given)
        return
    sampler = PairSampler(count, batch_size=2, seed=seed, **given)
    assert sampler.pairs_per_epoch == len(expected)
    pairs = stream(sampler, 2 * len(expected))
    assert set(pairs[: len(expected)]) == set(pairs[len(expected) :]) == expected


def test_one_group_is_as_none():
    plain = PairSampler(6, batch_size=7, seed=2, fixed=(4, 1, 0))
    grouped = PairSampler(6, batch_size=7, seed=2, fixed=(4, 1, 0), groups=[5] * 6)
    for step in range(6):
        np.testing.assert_array_equal(plain[step], grouped[step])
