"""Updates that are left out leave no trace; rates are lowered in the state."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from autoreg_jax.training import (
    checked_step,
    lowered,
    make_training,
    moved_average,
    scalable,
    watched,
)

GOOD = [1.0, -0.5, 2.0, 0.25]
POISON = {
    "NaN": np.nan,
    "infinite": np.inf,
    "whose square is infinite": 1e30,
    "long": 3e6,
}


def half_square(params, batch):
    loss = 0.5 * jnp.sum((params["w"] - batch) ** 2)
    return loss, {"full": loss, "smooth": jnp.abs(batch)}


@pytest.fixture(scope="module")
def training():
    """First state and guarded step; averages, moments and schedule all count steps."""
    rate = optax.cosine_decay_schedule(0.1, 8)
    average = partial(moved_average, decay=0.9)
    algorithm = make_training(half_square, watched(optax.adam(rate)), average)

    @jax.jit
    def step(state, target):
        after, info = algorithm.step(state, target)
        sane = lambda _, info: info.terms["smooth"] != 7  # noqa: E731
        return checked_step(state, after, info, most_times=1e3, is_sane=sane)

    return algorithm.init({"w": jnp.array([2.0, -4.0])}), step


def trained(training, targets):
    state, step = training
    infos = []
    for target in targets:
        state, info = step(state, jnp.float32(target))
        infos.append(info)
    return state, infos


def check_equal(one, other):
    assert jax.tree.all(jax.tree.map(np.array_equal, one, other))


@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize("poison", [*POISON.values(), 7.0], ids=[*POISON, "not sane"])
def test_an_update_that_is_left_out_leaves_no_trace(training, poison, place):
    poison = 3e9 if (poison, place) == (3e6, 0) else poison  # there is no usual length
    expected, infos = trained(training, GOOD)
    assert not any(info.is_skipped for info in infos)
    state, infos = trained(training, [*GOOD[:place], poison, poison, *GOOD[place:]])
    check_equal(state, expected)
    skipped = [n for n, info in enumerate(infos) if info.is_skipped]
    assert skipped == [place, place + 1]


def test_a_gradient_is_compared_with_the_usual_ones(training):
    state, infos = trained(training, [*GOOD, 900.0, 900.0])
    assert not infos[-1].is_skipped
    lengths = [float(info.length) for info in infos]
    usual = lengths[0]
    for length, info in zip(lengths[1:], infos[1:], strict=True):
        assert float(info.times) == pytest.approx(length / usual, rel=1e-5)
        usual = 0.9 * usual + 0.1 * length
    assert float(state.optimizer.usual) == pytest.approx(usual, rel=1e-5)
    assert float(infos[0].times) == 0
    assert not trained(training, [1e7])[1][0].is_skipped


def test_what_was_infinite_before_may_stay(training):
    before = {"score": jnp.inf, "w": jnp.ones(())}
    state, info = checked_step(before, before | {"w": jnp.zeros(())}, (), most_times=2)
    assert float(state["w"]) == 0
    assert not info.is_skipped


def test_a_lowered_rate_is_a_lower_rate():
    gradient, params = jnp.array([1.0, -3.0]), jnp.array([0.5, 2.0])
    plain, scaled = optax.adam(0.3), scalable(optax.adam(0.3))
    state, same = {"a": [scaled.init(params)], "b": params}, plain.init(params)
    for factor, total in ((1.0, 1.0), (0.5, 0.5), (0.5, 0.25)):
        state = state if factor == 1 else lowered(state, factor)
        check_equal(state["b"], params)
        expected, same = plain.update(gradient, same, params)
        found, inner = scaled.update(gradient, state["a"][0], params)
        state["a"] = [inner]
        check_equal(found, total * expected)
        check_equal(inner.state, same)
