"""λ by a network that is told λ, on trainings whose optimum is known for every λ."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from autoreg_jax import hypergrad
from autoreg_jax.bilevel import (
    ON_DEVICE,
    ON_HOST,
    PairBatch,
    SearchProblem,
    make_amortised,
    make_search,
    normalised_steps,
    ratio_names,
)
from autoreg_jax.bilevel._log_ratios import log_ratios, spread

LAM = {"full": 3.0, "smooth": 2.0, "half": 0.5}
TARGETS = {"full": [1.0, -1.0], "smooth": [0.0, 0.0], "half": [2.0, 0.5]}
PULLS = {"full": [1.0, 2.0], "smooth": [3.0, 1.0], "half": [0.5, 4.0]}
SHIFTS = [0.0, 0.5, -0.25]
BATCHES = [PairBatch(jnp.full(2, shift), jnp.zeros(2)) for shift in SHIFTS]


def told(omega, lam):
    """The answer of a linear network to λ; ω is a constant and a slope by a ratio."""
    return omega[:2] + omega[2:].reshape(2, 2) @ log_ratios(lam)


def quadratic():
    """Each term pulls the answer to a target of its own; the judge to the batch."""

    def inner_terms(omega, lam, batch):
        del batch
        terms = {
            name: 0.5 * jnp.sum(jnp.array(p) * (told(omega, lam) - at) ** 2)
            for (name, p), at in zip(
                PULLS.items(), map(jnp.array, TARGETS.values()), strict=True
            )
        }
        return sum(lam[name] * term for name, term in terms.items()), terms

    def outer_loss(omega, lam, batch):
        return jnp.sum((told(omega, lam) - batch.moving) ** 2)

    losses = hypergrad.BilevelProblem(lambda *x: inner_terms(*x)[0], outer_loss)
    return SearchProblem(losses, inner_terms)


def optimum(lam):
    """Where the training under λ ends, NumPy."""
    pull = sum(lam[name] * np.array(PULLS[name]) for name in lam)
    goal = sum(lam[n] * np.array(PULLS[n]) * np.array(TARGETS[n]) for n in lam)
    return goal / pull


def derivative(name, shifts, size=1e-4):
    """Of the judge at the optimum by a log ratio, by differences, for each batch."""

    def judged(factor):
        found = optimum(LAM | {name: LAM[name] * factor})
        return np.array([np.sum((found - shift) ** 2) for shift in shifts])

    return (judged(np.exp(size)) - judged(np.exp(-size))) / (2 * size)


def amortised(reach, control=ON_DEVICE, length=0.1):
    """The search, and a jitted training of many steps."""
    problem = quadratic()
    search = make_search(
        problem,
        hypergrad.one_step_unroll(),
        hypergrad.gradient_descent(0.01),
        optax.sgd(0.02),
        optax.sgd(0.0),
    )
    slope = jax.value_and_grad(problem.bilevel.outer_loss, argnums=1)
    steps = normalised_steps(length)
    return make_amortised(search, slope, steps, control, reach=reach)


def start(algorithm):
    lam = {name: jnp.float32(weight) for name, weight in LAM.items()}
    return algorithm.init(jnp.zeros(6), lam)


@pytest.fixture(scope="module")
def trained():
    """After 4,000 steps under weights near LAM."""
    algorithm = amortised(0.3)
    # A decreasing rate is not needed: at the optimum all terms of a batch agree.
    run = jax.jit(
        lambda state: jax.lax.fori_loop(
            0, 4000, lambda _, s: algorithm.train(s, BATCHES[0], (), True)[0], state
        )
    )
    return algorithm, run(start(algorithm))


def test_the_network_answers_as_trainings_under_each_lambda_would(trained):
    _, state = trained
    for name in ("smooth", "half"):
        for factor in (0.8, 1.0, 1.25):
            lam = LAM | {name: LAM[name] * factor}
            np.testing.assert_allclose(told(state.omega, lam), optimum(lam), atol=0.01)


def test_the_derivative_is_that_of_whole_trainings(trained):
    algorithm, state = trained
    _, info = algorithm.move(state, BATCHES)
    for name in ratio_names(LAM):
        expected = derivative(name, SHIFTS)
        np.testing.assert_allclose(
            info.derivative[name], expected.mean(), rtol=0.08, atol=0.002
        )
        error = expected.std(ddof=1) / np.sqrt(len(SHIFTS))
        np.testing.assert_allclose(info.standard_error[name], error, rtol=0.1)
    assert info.horizon == 4000
    assert info.training_steps == 4000


def test_a_move_goes_down_by_the_length_of_a_step(trained):
    algorithm, state = trained
    moved, info = algorithm.move(state, BATCHES)
    moves = {n: np.log(moved.outer[n] / state.outer[n]) for n in ratio_names(LAM)}
    assert moved.outer["full"] == LAM["full"]
    found = np.array([moves[n] for n in sorted(moves)])
    slopes = np.array([info.derivative[n] for n in sorted(moves)])
    np.testing.assert_allclose(np.linalg.norm(found), 0.1, rtol=1e-5)
    np.testing.assert_allclose(found, -0.1 * slopes / np.linalg.norm(slopes), rtol=1e-4)
    np.testing.assert_array_equal(moved.omega, state.omega)


def test_on_the_host_it_is_the_same(trained):
    _, state = trained
    one, told_one = amortised(0.3).move(state, BATCHES)
    other, told_other = amortised(0.3, ON_HOST).move(state, BATCHES)
    for name in LAM:
        np.testing.assert_allclose(one.outer[name], other.outer[name], rtol=1e-6)
    np.testing.assert_allclose(told_one.valid_loss, told_other.valid_loss, rtol=1e-6)


def test_it_finds_the_weights_that_the_judge_wants():
    """The optimum under twice the smoothness, from far away, as the judge's target."""
    goal = optimum(LAM | {"smooth": 4.0})
    algorithm = amortised(0.5, length=0.1)
    batch = PairBatch(jnp.asarray(goal, jnp.float32), jnp.zeros(2))

    def epoch(_, state):
        state = jax.lax.fori_loop(
            0, 60, lambda _, s: algorithm.train(s, batch, (), True)[0], state
        )
        return algorithm.move(state, (batch,))[0]

    end = jax.jit(lambda s: jax.lax.fori_loop(0, 60, epoch, s))(start(algorithm))
    found = {name: float(weight) for name, weight in end.outer.items()}
    before = np.linalg.norm(optimum(LAM) - goal)
    assert np.linalg.norm(optimum(found) - goal) < 0.2 * before


@pytest.mark.parametrize("count", [1, 2, 5])
def test_points_are_spread_evenly(count):
    points = np.stack([spread(step, count) for step in range(256)])
    assert points.shape == (256, count)
    assert points.min() >= 0
    assert points.max() < 1
    for axis in points.T:
        # Every sixteenth holds its share, up to a few.
        counts = np.histogram(axis, 16, (0, 1))[0]
        assert counts.min() >= 12
        assert counts.max() <= 20
    others = np.atleast_2d(np.corrcoef(points.T)) - np.eye(count)
    assert abs(others).max() < 0.1


def test_log_ratios_are_to_the_first_term():
    lam = {"half": 0.5, "bending": 0.0, "full": 2.0, "smooth": 4.0}
    found = log_ratios({name: jnp.float32(w) for name, w in lam.items()})
    np.testing.assert_allclose(found, [np.log(2), np.log(0.25), 0.0], rtol=1e-6)
    slope = jax.grad(lambda w: log_ratios(lam | {"bending": w})[2])(0.0)
    assert np.isfinite(slope)
