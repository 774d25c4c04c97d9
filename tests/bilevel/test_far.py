"""λ with a long horizon, on trainings whose derivatives are known in closed form."""

import dataclasses
import math
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from unoptimised import quick

from autoreg_jax import hypergrad
from autoreg_jax.bilevel import (
    ON_DEVICE,
    PairBatch,
    SearchProblem,
    make_branches,
    make_forward,
    make_search,
    normalised_steps,
    of_log_ratios,
    tangent_step,
)

RATE, STEPS = 0.02, 6
LAM = {"full": 3.0, "smooth": 2.0, "half": 0.5}
TARGETS = {"full": [1.0, -1.0], "smooth": [0.0, 0.0], "half": [2.0, 0.5]}
PULLS = {"full": [1.0, 2.0], "smooth": [3.0, 1.0], "half": [0.5, 4.0]}
SHIFTS = [0.0, 0.5, -0.25]
BATCHES = [PairBatch(jnp.full(2, shift), jnp.zeros(2)) for shift in SHIFTS]


def quadratic():
    """Each term pulls ω to a target of its own; the judge to that of the batch."""

    def inner_terms(omega, lam, batch):
        terms = {
            name: 0.5 * jnp.sum(jnp.array(PULLS[name]) * (omega - jnp.array(at)) ** 2)
            for name, at in TARGETS.items()
        }
        del batch
        return sum(lam[name] * term for name, term in terms.items()), terms

    def inner_loss(*arguments):
        return inner_terms(*arguments)[0]

    def outer_loss(omega, lam, batch):
        del lam
        return jnp.sum((omega - batch.moving) ** 2)

    return SearchProblem(hypergrad.BilevelProblem(inner_loss, outer_loss), inner_terms)


def omega_after(lam, steps, start=(0.3, -0.2)):
    """Gradient descent on the quadratic: ω* + (1 − η Σλp)^K (ω0 − ω*), NumPy."""
    pull = sum(lam[name] * np.array(PULLS[name]) for name in lam)
    goal = sum(lam[n] * np.array(PULLS[n]) * np.array(TARGETS[n]) for n in lam) / pull
    return goal + (1 - RATE * pull) ** steps * (np.array(start) - goal)


def judged(lam, steps, shifts, **start):
    omega = omega_after(lam, steps, **start)
    return np.array([np.sum((omega - shift) ** 2) for shift in shifts])


def times(lam, name, factor):
    return lam | {name: lam[name] * factor}


def search(problem, optimizer=None):
    return make_search(
        problem,
        hypergrad.one_step_unroll(),
        hypergrad.gradient_descent(0.01),
        optimizer or optax.sgd(RATE),
        optax.sgd(0.0),
    )


def branches(go_on="together", factor=2.0):
    problem = quadratic()
    return make_branches(
        search(problem),
        problem.bilevel.outer_loss,
        normalised_steps(0.25),
        ON_DEVICE,
        factor=factor,
        go_on=go_on,
    )


def mean_problem():
    problem = quadratic().bilevel

    def outer_loss(omega, lam, batches):
        losses = [problem.outer_loss(omega, lam, batch) for batch in batches]
        return sum(losses) / len(losses)

    return problem._replace(outer_loss=outer_loss)


def forward(go_on="together", *, window=1, optimizer=None):
    optimizer = optimizer or optax.sgd(RATE)
    return make_forward(
        search(quadratic(), optimizer),
        tangent_step(mean_problem(), optimizer),
        normalised_steps(0.25),
        ON_DEVICE,
        horizon=STEPS,
        window=window,
        go_on=go_on,
    )


def runner(algorithm):
    """`(state, steps, is_far, is_moving) -> (state, info)`, compiled once."""

    @quick
    def run(state, steps, is_far, is_moving):
        def body(_, state):
            return algorithm.train(state, BATCHES[0], tuple(BATCHES), is_far)[0]

        state = jax.lax.fori_loop(0, steps, body, state)
        moved, info = algorithm.move(state, tuple(BATCHES))
        return jax.tree.map(partial(jnp.where, is_moving), moved, state), info

    return run


def begin(algorithm):
    lam = jax.tree.map(jnp.float32, LAM)
    return jax.jit(algorithm.init)(jnp.array([0.3, -0.2]), lam)


def true_slope(name, steps, **start):
    """Central difference of the mean outer loss of whole trainings, in float64."""
    ends = [
        judged(times(LAM, name, math.exp(move)), steps, SHIFTS, **start).mean()
        for move in (1e-5, -1e-5)
    ]
    return (ends[0] - ends[1]) / 2e-5


def test_branches_are_differences_of_whole_trainings():
    run = runner(branches())
    state, _ = run(begin(branches()), 4, False, False)
    np.testing.assert_allclose(state.omega, omega_after(LAM, 4), rtol=1e-5)
    assert int(state.training_steps) == 4
    moved, info = run(state, STEPS, True, True)

    start = {"start": omega_after(LAM, 4)}
    base = judged(LAM, STEPS, SHIFTS, **start)
    np.testing.assert_allclose(info.valid_loss, base.mean(), rtol=1e-5)
    for name in ("smooth", "half"):
        other = judged(times(LAM, name, 2.0), STEPS, SHIFTS, **start)
        slopes = (other - base) / math.log(2)
        found, error = info.derivative[name], info.standard_error[name]
        np.testing.assert_allclose(found, slopes.mean(), rtol=1e-4)
        wanted = slopes.std(ddof=1) / math.sqrt(len(SHIFTS))
        np.testing.assert_allclose(error, wanted, rtol=1e-4)
    assert int(info.horizon) == STEPS
    assert int(info.training_steps) == 4 + 3 * STEPS
    # The first move has the asked length, along the derivative; the first term rests.
    moves = {n: math.log(moved.outer[n] / LAM[n]) for n in LAM}
    norm = math.hypot(*(float(d) for d in info.derivative.values()))
    assert moves["full"] == 0
    for name, slope in info.derivative.items():
        np.testing.assert_allclose(moves[name], -0.25 * slope / norm, rtol=1e-4)
    wanted = omega_after(LAM, STEPS, **start)
    np.testing.assert_allclose(moved.omega, wanted, rtol=1e-5)


def test_forward_mode_is_the_unrolled_training():
    optimizer = optax.adam(RATE)
    algorithm = forward(optimizer=optimizer)
    state = begin(algorithm)
    moved, info = runner(algorithm)(state, STEPS, True, True)

    @quick
    def unrolled(omega, lam):
        return hypergrad.unroll(STEPS).estimate(
            mean_problem(),
            (),
            hypergrad.Point(omega, lam, BATCHES[0], tuple(BATCHES)),
            inner_update=hypergrad.from_optax(optimizer, optimizer.init(omega)),
        )[0]

    wanted, lam = unrolled(state.omega, state.outer), state.outer
    np.testing.assert_allclose(info.valid_loss, wanted.value, rtol=1e-5)
    for name in ("smooth", "half"):
        slope = lam[name] * wanted.grad[name]
        np.testing.assert_allclose(info.derivative[name], slope, rtol=1e-4)
    assert int(info.training_steps) == 5 * STEPS
    assert moved.outer["full"] == lam["full"]
    assert moved.outer["half"] != lam["half"]


def test_forward_mode_averages_the_end_of_its_window():
    algorithm = forward(window=3)
    _, info = runner(algorithm)(begin(algorithm), STEPS, True, True)
    for name in ("smooth", "half"):
        slopes = np.array([true_slope(name, steps) for steps in (4, 5, 6)])
        np.testing.assert_allclose(info.derivative[name], slopes.mean(), rtol=1e-3)
        wanted = slopes.std(ddof=1) / math.sqrt(3)
        np.testing.assert_allclose(info.standard_error[name], wanted, rtol=1e-2)


@pytest.mark.parametrize("go_on", ["together", "apart", "anew"])
def test_what_goes_on_after_a_move(go_on):
    for algorithm in (branches(go_on), forward(go_on)):
        run = runner(algorithm)
        state, _ = run(begin(algorithm), STEPS, True, True)
        lam = {name: float(weight) for name, weight in state.outer.items()}
        start = np.asarray((0.3, -0.2) if go_on == "anew" else state.omega)
        state, info = run(state, 2, True, False)
        wanted = omega_after(lam, 2, start=start)
        np.testing.assert_allclose(state.omega, wanted, rtol=1e-5)
        assert int(info.horizon) == (STEPS + 2 if go_on == "apart" else 2)
        if not state.carried:  # branches
            own = omega_after(times(LAM, "smooth", 2.0), STEPS)
            start = own if go_on == "apart" else start
            wanted = omega_after(times(lam, "smooth", 2.0), 2, start=start)
            np.testing.assert_allclose(state.members[0][1], wanted, rtol=1e-5)
        else:
            fresh = begin(algorithm)
            members = jnp.asarray(start, jnp.float32)[None], fresh.members[1]
            fresh = dataclasses.replace(fresh, members=members, outer=state.outer)
            if go_on == "anew":
                fresh = dataclasses.replace(fresh, first=jnp.asarray(start))
            tangents = run(fresh, 2, True, False)[0].carried.tangents.inner
            kept = state.carried.tangents.inner
            assert np.allclose(tangents, kept, rtol=1e-4) == (go_on != "apart")


@partial(quick, static_argnums=0)
def moves_of(optimizer, lam, slopes):
    """λ after steps on a function with these derivatives by the logarithms of λ."""
    state = optimizer.init(lam)
    for each in slopes:
        gradient = {name: each[name] / lam[name] for name in lam}
        updates, state = optimizer.update(gradient, state, lam)
        lam = optax.apply_updates(lam, updates)
    return lam


def test_the_scale_of_the_loss_and_the_order_of_the_terms_change_nothing():
    rng = np.random.default_rng(0)
    slopes = [dict(zip(LAM, rng.normal(size=3), strict=True)) for _ in range(4)]
    optimizer = of_log_ratios(normalised_steps(0.1, 0.5))
    lam = jax.tree.map(jnp.float32, LAM)
    found = moves_of(optimizer, lam, slopes)
    scaled = jax.tree.map(lambda weight: 8 * weight, lam)
    again = moves_of(optimizer, scaled, slopes)
    chex.assert_trees_all_close(jax.tree.map(lambda w: w / 8, again), found, rtol=1e-5)
    stronger = [jax.tree.map(lambda slope: 1e-3 * slope, each) for each in slopes]
    again = moves_of(optimizer, lam, stronger)
    chex.assert_trees_all_close(again, found, rtol=1e-5)
    turned = dict(reversed(lam.items()))
    chex.assert_trees_all_equal(moves_of(optimizer, turned, slopes), found)
    assert found["full"] == lam["full"]
    assert abs(math.log(found["smooth"] / lam["smooth"])) > 0.01


def test_a_weight_without_influence_rests():
    slopes = {"full": 1.0, "smooth": 0.2, "half": 4e-6}
    lam = {"full": jnp.float32(1), "smooth": jnp.float32(1), "half": jnp.float32(1)}
    optimizer = of_log_ratios(normalised_steps(0.1))
    found = moves_of(optimizer, lam, [slopes] * 4)
    np.testing.assert_allclose(found["smooth"], math.exp(-0.4), rtol=1e-5)
    assert abs(found["half"] - 1) < 1e-4


def test_a_weight_of_zero_stays_zero():
    optimizer = of_log_ratios(normalised_steps(0.1))
    lam = {"full": jnp.float32(1), "smooth": jnp.float32(0), "half": jnp.float32(2)}
    gradient = {"full": 1.0, "smooth": 1.0, "half": 1.0}
    updates, _ = jax.jit(optimizer.update)(gradient, optimizer.init(lam), lam)
    assert updates["smooth"] == 0
    assert updates["half"] < 0


def test_the_normaliser_remembers_and_has_a_floor():
    optimizer = normalised_steps(1.0, 0.0, 0.999, floor=0.1)
    params = {"a": jnp.zeros(()), "b": jnp.zeros(())}
    step, state = optimizer.update({"a": 3.0, "b": -4.0}, optimizer.init(params))
    np.testing.assert_allclose([step["a"], step["b"]], [-0.6, 0.8], rtol=1e-5)
    small, _ = optimizer.update({"a": 0.03, "b": 0.0}, state)
    wanted = -0.03 / math.sqrt((0.999 * 25 + 0.03**2) / 1.999)
    np.testing.assert_allclose(small["a"], wanted, rtol=1e-4)
    below, _ = optimizer.update({"a": 0.03, "b": 0.0}, optimizer.init(params))
    np.testing.assert_allclose(below["a"], -0.3, rtol=1e-5)
    none, _ = normalised_steps(1.0).update(params, normalised_steps(1.0).init(params))
    assert none["a"] == 0
