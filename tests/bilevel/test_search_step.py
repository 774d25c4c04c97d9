"""One iteration of Algorithm 1: who moves, who rests, and the gradient of λ."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from unoptimised import quick
from weights import initial_weights

from autoreg_jax import hypergrad
from autoreg_jax.bilevel import (
    PairBatch,
    SearchProblem,
    make_search,
    objective_problem,
    over_pairs,
)
from autoreg_jax.losses import PAPER_WEIGHTS, Objective, one_hot
from autoreg_jax.networks import RegistrationNetwork, Structure
from autoreg_jax.search_space import ArchitectureLogits, Genotype


def toy_problem():
    """A loss of two numbers ω and of α that couples the two."""

    def inner_terms(omega, alpha, batch):
        weights = jax.nn.softmax(alpha.feature) + 2 * jax.nn.softmax(alpha.deformation)
        kinds = jnp.arange(8.0).reshape(1, 1, 8)
        loss = jnp.sum((omega - batch.moving) ** 2) * jnp.mean(weights * kinds)
        return loss, {"full": loss, "smooth": loss, "half": loss, "quarter": loss}

    def loss(omega, alpha, batch):
        return inner_terms(omega, alpha, batch)[0]

    return SearchProblem(hypergrad.BilevelProblem(loss, loss), inner_terms)


def toy_search():
    return make_search(
        toy_problem(),
        hypergrad.one_step_unroll(),
        hypergrad.gradient_descent(0.01),
        optax.adam(0.1),
        optax.adam(0.1),
    )


def batch(value):
    return PairBatch(jnp.full((2,), value), jnp.zeros(2))


def owned_by(stage):
    zeros = ArchitectureLogits.zeros()
    return zeros._replace(**{stage: jnp.ones_like(zeros.feature)})


@pytest.mark.parametrize("stage", ["feature", "deformation"])
def test_a_stage_moves_what_it_owns_and_nothing_else(stage):
    algorithm = toy_search()
    state = algorithm.init(jnp.array([1.0, -1.0]), ArchitectureLogits.zeros())
    inner_step = jax.jit(chex.assert_max_traces(n=1)(algorithm.inner_step))
    outer_step = jax.jit(chex.assert_max_traces(n=1)(algorithm.outer_step))
    other = "deformation" if stage == "feature" else "feature"

    still, info = inner_step(state, batch(3.0))
    chex.assert_trees_all_equal(still.outer, state.outer)
    chex.assert_trees_all_equal(still.outer_optimizer, state.outer_optimizer)
    assert float(jnp.abs(still.omega - state.omega).max()) > 0
    assert bool(info.is_finite)
    assert int(still.step) == 1

    moved, info = outer_step(still, batch(3.0), batch(2.0), owned_by(stage))
    chex.assert_trees_all_equal(still.omega, moved.omega)
    assert int(moved.step) == 1
    assert float(jnp.abs(getattr(moved.outer, stage)).min()) > 0
    np.testing.assert_array_equal(getattr(moved.outer, other), 0)
    assert float(info.direct_norm) > 0
    assert float(info.indirect_norm) > 0
    assert bool(info.is_finite)


def test_a_loss_that_is_nan_is_flagged():
    algorithm = toy_search()
    state = algorithm.init(jnp.array([1.0, -1.0]), ArchitectureLogits.zeros())
    _, inner = jax.jit(algorithm.inner_step)(state, batch(jnp.nan))
    assert not bool(inner.is_finite)
    owned = owned_by("feature")
    step = jax.jit(algorithm.outer_step)
    _, outer = step(state, batch(0.0), batch(jnp.nan), owned)
    assert not bool(outer.is_finite)


@pytest.mark.slow
def test_lambda_follows_the_alignment_of_its_terms_with_dice():
    shape, rate = (10, 12), 0.05
    rng = np.random.default_rng(0)
    pair = [jnp.asarray(rng.random((1, *shape, 1)), jnp.float32) for _ in range(2)]
    labels = [
        one_hot(jnp.asarray(rng.integers(0, 3, (1, *shape))), 3)[..., 1:] for _ in pair
    ]
    train, valid = PairBatch(*pair), PairBatch(*reversed(pair), *labels)
    structure = Structure(feature_edges=1, deformation_channels=(16,))
    genotype = Genotype.uniform("conv_3", structure.cells)
    network = RegistrationNetwork(genotype, 0.1, num_steps=1, structure=structure)
    omega = initial_weights(network, len(shape), (0,))
    problem = objective_problem(network, Objective(windows=(5, 3, 3)))
    lam = jax.tree.map(jnp.float32, dict(PAPER_WEIGHTS))

    @quick
    def both(omega, lam):
        hyper, _ = hypergrad.one_step_unroll().estimate(
            problem.bilevel,
            (),
            hypergrad.Point(omega, lam, train, valid),
            inner_update=hypergrad.gradient_descent(rate),
        )
        gradient = jax.grad(problem.bilevel.inner_loss)(omega, lam, train)
        stepped = jax.tree.map(lambda w, g: w - rate * g, omega, gradient)
        dice = jax.grad(problem.bilevel.outer_loss)(stepped, lam, valid)
        terms = jax.jacrev(lambda w: problem.inner_terms(w, lam, train)[1])(omega)
        aligned = [-rate * optax.tree.vdot(term, dice) for term in terms.values()]
        return hyper, jnp.stack(aligned)

    hyper, aligned = both(omega, lam)
    np.testing.assert_array_equal(list(hyper.direct.values()), 0)
    np.testing.assert_allclose(list(hyper.grad.values()), aligned, rtol=2e-3)
    assert float(jnp.abs(aligned).min()) > 0


@pytest.mark.parametrize("is_scanned", [True, False])
@pytest.mark.parametrize(
    "estimator", [hypergrad.one_step_unroll(), hypergrad.unroll(2)], ids=["one", "two"]
)
def test_over_pairs_it_is_the_mean_of_the_estimates(estimator, is_scanned):
    alpha = ArchitectureLogits(
        jnp.linspace(-1, 1, 48).reshape(2, 3, 8),
        jnp.linspace(2, 0, 48).reshape(2, 3, 8),
    )
    problem = toy_problem()
    valid = tuple(batch(value) for value in (2.0, -1.0, 0.5))

    def estimate(problem, valid):
        return estimator.estimate(
            problem.bilevel,
            (),
            hypergrad.Point(jnp.array([1.0, -1.0]), alpha, batch(3.0), valid),
            inner_update=hypergrad.gradient_descent(0.01),
        )[0]

    averaged = over_pairs(problem, is_scanned=is_scanned)
    found = jax.jit(lambda: estimate(averaged, valid))()
    alone = jax.jit(partial(estimate, problem))
    single = [alone(one) for one in valid]
    for part in ("grad", "direct", "indirect", "value"):
        wanted = jax.tree.map(
            lambda *x: np.mean(x, axis=0), *(getattr(one, part) for one in single)
        )
        chex.assert_trees_all_close(getattr(found, part), wanted, rtol=1e-4, atol=1e-6)
    assert float(optax.tree.norm(found.indirect)) > 0
