"""What the published search does besides: another loss, a second optimizer of λ."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from unoptimised import QUICK

from autoreg_jax import hypergrad
from autoreg_jax.bilevel import (
    PairBatch,
    SearchProblem,
    architecture_problem,
    make_search,
    objective_problem,
    overlap_judge,
    with_leaking_lambda,
)
from autoreg_jax.losses import PAPER_WEIGHTS, Objective
from autoreg_jax.networks import Registration
from autoreg_jax.spatial import Pyramid, resize_displacement

SHAPE, OBJECTIVE = (8, 8), Objective(windows=(3, 3, 3))
LAM = jax.tree.map(jnp.float32, dict(PAPER_WEIGHTS))
# Unoptimised programs compile three times as fast.


class ScaledField:
    """A network of one number ω and of one number α."""

    def apply(self, variables, moving, fixed, alpha=None):
        """The displacement ω · α · sin of the place."""
        del fixed
        rows = jnp.sin(jnp.arange(moving.shape[1], dtype=jnp.float32))
        grid = jnp.broadcast_to(rows[:, None, None], (*moving.shape[1:-1], 2))
        full = variables["params"] * (1.0 if alpha is None else alpha) * grid[None]
        coarse = (resize_displacement(full, shape) for shape in ((4, 4), (2, 2)))
        half, quarter = coarse
        return Registration(half, Pyramid(full, half, quarter))


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    images = [jnp.asarray(rng.random((1, *SHAPE, 1)), jnp.float32) for _ in range(2)]
    labels = [(image > 0.5).astype(jnp.float32) for image in images]
    return PairBatch(*images, *labels)


def test_summed_terms_reach_the_hypergradient_alone(pair):
    network = ScaledField()
    plain = architecture_problem(network, OBJECTIVE, LAM)
    summed = architecture_problem(network, OBJECTIVE, LAM, has_summed_terms=True)
    assert not plain.is_inner_apart
    assert summed.is_inner_apart
    heavier = LAM | {name: LAM[name] + 1 for name in ("full", "smooth")}
    other = architecture_problem(network, OBJECTIVE, heavier)

    @partial(jax.jit, compiler_options=QUICK)
    def values(*point):
        of_summed = jax.value_and_grad(summed.bilevel.inner_loss)(*point)
        of_other = jax.value_and_grad(other.bilevel.inner_loss)(*point)
        kept = summed.bilevel.outer_loss(*point), summed.inner_terms(*point)
        return of_summed, of_other, kept, plain.inner_terms(*point)

    point = jnp.float32(0.7), jnp.float32(0.6), pair
    of_summed, of_other, (outer, (inner, _)), (value, terms) = values(*point)
    both = terms["full"] + terms["smooth"]
    np.testing.assert_allclose(of_summed[0], value + both, 1e-6)
    np.testing.assert_allclose(of_summed, of_other, rtol=1e-5)
    np.testing.assert_allclose([outer, inner], value, rtol=1e-6)


def test_smoothness_target_is_part_of_what_judges_lambda(pair):
    network = ScaledField()
    point = jnp.float32(0.7), LAM, pair
    plain = objective_problem(network, OBJECTIVE)
    judge = overlap_judge(smoothness_weight=1e4, smoothness_target=0.01)
    drawn = objective_problem(network, OBJECTIVE, judge=judge)

    @partial(jax.jit, compiler_options=QUICK)
    def values(*point):
        return [
            (problem.bilevel.outer_loss(*point), *problem.inner_terms(*point))
            for problem in (plain, drawn)
        ]

    (before, inner, terms), (found, inner_too, _) = values(*point)
    wanted = before + 1e4 * (terms["smooth"] - 0.01) ** 2
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert inner_too == inner


def constant_terms():
    """A loss whose terms are numbers of both signs, times ω."""
    values = map(jnp.float32, (-0.3, 0.02, -0.4, 0.0))
    terms = dict(zip(PAPER_WEIGHTS, values, strict=True))

    def inner_terms(omega, lam, batch):
        del batch
        scaled = jax.tree.map(lambda term: omega * term, terms)
        return sum(lam[name] * scaled[name] for name in PAPER_WEIGHTS), scaled

    def loss(omega, lam, batch):
        return inner_terms(omega, lam, batch)[0]

    return SearchProblem(hypergrad.BilevelProblem(loss, loss), inner_terms)


def test_lambda_leaks_down_the_training_loss():
    rate, lam = 1e-2, LAM
    tight = make_search(
        constant_terms(),
        hypergrad.one_step_unroll(),
        hypergrad.gradient_descent(0.1),
        optax.sgd(1e-3),
        optax.adam(1e-3),
    )
    leaking = with_leaking_lambda(tight, optax.adam(rate))
    states = [a.init(jnp.float32(1.0), lam) for a in (tight, leaking)]
    steps = [jax.jit(a.inner_step) for a in (tight, leaking)]
    for _ in range(3):
        moved = [step(s, None) for step, s in zip(steps, states, strict=True)]
        states = [state for state, _ in moved]
        if int(states[0].step) == 1:  # both have seen one λ so far
            chex.assert_trees_all_equal(states[0].omega, states[1].omega)
    chex.assert_trees_all_equal(states[0].outer, lam)
    # Under gradients that hardly change Adam goes one rate a step against their sign.
    drift = jax.tree.map(lambda new, old: float(new - old), states[1].outer, lam)
    expected = (3 * rate, -3 * rate, 3 * rate, 0)
    drifts = [drift[name] for name in PAPER_WEIGHTS]
    np.testing.assert_allclose(drifts, expected, atol=1e-5)
    assert int(states[1].step) == 3


def test_a_leak_leaves_the_outer_step_alone():
    lam = LAM
    tight = make_search(
        constant_terms(),
        hypergrad.one_step_unroll(),
        hypergrad.gradient_descent(0.1),
        optax.sgd(1e-3),
        optax.adam(1e-3),
    )
    leaking = with_leaking_lambda(tight, optax.adam(1e-2))
    assert leaking.outer_step is tight.outer_step
    state = leaking.init(jnp.float32(1.0), lam)
    owned = jax.tree.map(jnp.ones_like, lam)
    new, _ = jax.jit(leaking.outer_step)(state, None, None, owned)
    chex.assert_trees_all_equal(new.omega_optimizer, state.omega_optimizer)
