"""How decided a search is: gaps, rankings, the price of discretisation."""

import jax
import numpy as np
import pytest

from autoreg_jax import search_space

is_ranking_stable = jax.jit(
    search_space.is_ranking_stable,
    static_argnums=1,
    static_argnames=("is_full", "warm_up", "tolerance"),
)

RNG = np.random.default_rng(0)


def test_a_ranking_is_stable_once_it_has_stayed():
    moving = RNG.normal(size=(6, 2, 4))
    still = np.tile([0.4, 0.1, 0.3, 0.2], (5, 2, 1))
    history = np.concatenate([moving, still]).astype(np.float32)
    assert is_ranking_stable(history, 5)
    assert is_ranking_stable(history, 5, is_full=True)
    assert not is_ranking_stable(history, 7)
    assert not is_ranking_stable(history, 5, warm_up=7)
    # One edge of two that changes its best is enough.
    history[-3, 1, 1] = 0.9
    assert not is_ranking_stable(history, 5)


def test_the_tail_counts_in_the_full_ranking_alone():
    swapped = np.tile(np.float32([0.4, 0.1, 0.3, 0.2]), (5, 1))
    swapped[2] = 0.4, 0.1, 0.2, 0.3
    assert is_ranking_stable(swapped, 5)
    assert not is_ranking_stable(swapped, 5, is_full=True)


def test_ties_are_no_ranking():
    assert not is_ranking_stable(np.zeros((30, 2, 8), np.float32), 10)
    near = np.tile(np.float32([0.0, 1e-4, -1.0]), (10, 1))
    assert is_ranking_stable(near, 10)
    assert not is_ranking_stable(near, 10, tolerance=1e-3)


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(ValueError, match="patience"):
        is_ranking_stable(np.zeros((3, 2)), 1)
    with pytest.raises(ValueError, match="two options"):
        is_ranking_stable(np.zeros((3, 1)), 2)
