"""The training step against gradient descent by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from autoreg_jax.training import better, make_training, moved_average
from autoreg_jax.training._best import no_best


def half_square(params, batch):
    loss = 0.5 * jnp.sum((params["w"] - batch) ** 2)
    return loss, {"full": loss, "smooth": 2 * loss, "half": loss, "quarter": loss}


def test_gradient_descent_on_a_quadratic():
    algorithm = make_training(half_square, optax.sgd(0.1))
    state = algorithm.init({"w": jnp.array([2.0, -4.0])})
    target = jnp.array([1.0, 1.0])
    for step in range(5):
        np.testing.assert_allclose(
            state.params["w"] - target, 0.9**step * np.array([1.0, -5.0]), rtol=1e-5
        )
        state, info = algorithm.step(state, target)
        np.testing.assert_allclose(info.loss, 13 * 0.81**step, rtol=1e-5)
        np.testing.assert_allclose(info.terms["smooth"], 26 * 0.81**step, rtol=1e-5)
        np.testing.assert_allclose(info.gradient_norm**2, 2 * info.loss, rtol=1e-5)
        assert bool(info.is_finite)
    assert int(state.step) == 5


def test_a_loss_that_is_nan_is_flagged():
    algorithm = make_training(half_square, optax.sgd(0.1))
    state = algorithm.init({"w": jnp.ones(2)})
    assert not bool(algorithm.step(state, jnp.array([jnp.nan, 0.0]))[1].is_finite)


def test_average_of_a_known_sequence():
    sequence, decay = [3.0, -1.0, 2.0, 5.0, 0.5], 0.3
    average, expected = jnp.array([7.0]), 7.0
    for step, value in enumerate(sequence):
        average = moved_average(average, jnp.array([value]), jnp.array(step), decay)
        rate = min(decay, (1 + step) / (10 + step))
        expected = rate * expected + (1 - rate) * value
        np.testing.assert_allclose(average, [expected], rtol=1e-6)
    assert (1 + 3) / (10 + 3) > decay > (1 + 2) / (10 + 2)  # both cases occur


def test_averaged_weights_follow_those_of_the_steps():
    def average(before, params, step):
        return jax.tree.map(lambda a, p: a + 0.25 * (p - a), before, params)

    plain = make_training(half_square, optax.sgd(0.1))
    algorithm = make_training(half_square, optax.sgd(0.1), average)
    start, target = {"w": jnp.array([2.0, -4.0])}, jnp.ones(2)
    state, bare = algorithm.init(start), plain.init(start)
    expected = np.asarray(start["w"])
    for _ in range(4):
        state, bare = algorithm.step(state, target)[0], plain.step(bare, target)[0]
        np.testing.assert_array_equal(state.params["w"], bare.params["w"])
        expected = expected + 0.25 * (np.asarray(bare.params["w"]) - expected)
        np.testing.assert_allclose(state.averaged["w"], expected, rtol=1e-6)
    assert bare.averaged is bare.params


def test_the_best_is_the_first_of_the_lowest_scores():
    scores = [np.nan, 3.0, np.nan, 2.0, 2.5, 2.0, np.inf]
    best = no_best({"w": jnp.zeros(1)})
    for step, score in enumerate(scores, start=1):
        best = better(best, {"w": jnp.array([10.0 * step])}, score, jnp.array(step))
        if step == 1:  # nothing else is there
            assert int(best.step) == 1
            assert np.isinf(best.score)
    first = int(np.nanargmin(scores)) + 1
    assert (int(best.step), float(best.score)) == (first, 2.0)
    np.testing.assert_array_equal(best.params["w"], [10.0 * first])
