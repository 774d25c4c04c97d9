"""Compiled derivatives: the numbers of the plain ones, from few programs."""

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from autoreg_jax import hypergrad
from autoreg_jax.bilevel import SearchProblem
from autoreg_jax.programs import _compiled, quick_compilation
from autoreg_jax.programs._compiled import compiled_gradient, compiled_problem
from autoreg_jax.programs._layout import Layout, on_tree
from autoreg_jax.programs._optimizers import make_omega_optimizer

OMEGA, ALPHA, TRAIN, VALID = jnp.array([0.3, -0.8]), jnp.array(1.5), 2.0, -1.0
ESTIMATORS = [hypergrad.one_step_unroll(), hypergrad.finite_difference(radius=0.1)]


def terms_of(omega, alpha, batch):
    loss = jnp.sum((jnp.tanh(alpha * omega) - batch) ** 2)
    return loss, {"full": loss, "smooth": 2 * loss, "half": loss, "quarter": loss}


def problem_of(inner_terms, *, is_shared=True):
    def loss(*arguments):
        return inner_terms(*arguments)[0]

    def other(omega, alpha, batch):
        return jnp.sum(jnp.sin(omega) * batch) + alpha**2

    bilevel = hypergrad.BilevelProblem(loss, loss if is_shared else other)
    return SearchProblem(bilevel, inner_terms)


def estimate(estimator, problem):
    return estimator.estimate(
        problem.bilevel,
        (),
        hypergrad.Point(OMEGA, ALPHA, TRAIN, VALID),
        inner_update=hypergrad.gradient_descent(0.1),
    )[0]


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["unroll", "difference"])
def test_estimates_are_those_of_the_plain_problem(estimator, is_shared):
    plain = problem_of(terms_of, is_shared=is_shared)
    wanted = jax.jit(lambda: estimate(estimator, plain))()
    found = estimate(estimator, compiled_problem(plain))
    chex.assert_trees_all_close(found, wanted, rtol=2e-5)
    assert abs(float(wanted.indirect)) > 1e-3


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["unroll", "difference"])
def test_an_inner_loss_of_its_own_is_differentiated(estimator):
    shared = problem_of(terms_of)

    def own(*arguments):
        loss, terms = terms_of(*arguments)
        return loss + terms["smooth"]

    bilevel = hypergrad.BilevelProblem(own, shared.bilevel.outer_loss)
    plain = SearchProblem(bilevel, terms_of, is_inner_apart=True)
    compiled = compiled_problem(plain)
    wanted = jax.jit(lambda: estimate(estimator, plain))()
    found = estimate(estimator, compiled)
    chex.assert_trees_all_close(found, wanted, rtol=2e-5)
    other = jax.jit(lambda: estimate(estimator, shared))()
    assert abs(found.indirect - other.indirect) > 1e-3
    point = OMEGA, ALPHA, TRAIN
    np.testing.assert_allclose(compiled.inner_terms(*point)[0], terms_of(*point)[0])


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["unroll", "difference"])
def test_one_gradient_serves_every_use(estimator):
    traced = []

    def counted(omega, alpha, batch):
        traced.append(batch)
        return terms_of(omega, alpha, batch)

    problem = compiled_problem(problem_of(counted))
    for _ in range(3):
        estimate(estimator, problem)
        jax.value_and_grad(problem.inner_terms, has_aux=True)(OMEGA, ALPHA, TRAIN)
    # One for the gradient and, for the exact estimator, one for the mixed product.
    assert len(traced) == (2 if estimator is ESTIMATORS[0] else 1)


def test_terms_come_along_and_the_gradient_is_scaled():
    function = compiled_gradient(terms_of)
    value, terms = function(OMEGA, ALPHA, TRAIN)
    assert float(terms["smooth"]) == pytest.approx(2 * float(value))
    wanted = jax.grad(lambda w: terms_of(w, ALPHA, TRAIN)[0])(OMEGA)
    found = jax.grad(lambda w: 3 * function(w, ALPHA, TRAIN)[0])(OMEGA)
    np.testing.assert_allclose(found, 3 * wanted, rtol=1e-6)


def test_a_vector_holds_a_tree_in_its_order():
    tree = {"b": jnp.arange(6.0).reshape(2, 3), "a": {"x": jnp.float32(7)}}
    layout = Layout(tree)
    vector = layout.to_vector(tree)
    np.testing.assert_array_equal(vector, [7, 0, 1, 2, 3, 4, 5])
    chex.assert_trees_all_equal(layout.to_tree(vector), tree)
    chex.assert_trees_all_equal(layout.to_tree(np.asarray(vector)), tree)


def test_a_transformation_sees_the_arrays_behind_the_vector():
    tree = {"large": jnp.full((3,), 10.0), "small": jnp.full((2, 2), 0.5)}
    gradient = jax.tree.map(jnp.ones_like, tree)
    layout, plain = Layout(tree), optax.scale_by_param_block_rms()
    wanted, _ = plain.update(gradient, plain.init(tree), tree)
    wrapped, vector = on_tree(plain, layout), layout.to_vector(tree)
    found, _ = wrapped.update(jnp.ones(7), wrapped.init(vector), vector)
    chex.assert_trees_all_close(layout.to_tree(found), wanted, rtol=1e-6)
    assert float(found.max()) == pytest.approx(20 * float(found.min()))


@pytest.mark.parametrize("ndim", [2, 3])
def test_large_kernels_move_less(ndim):
    sizes = {name: int(name) ** ndim for name in "1357"}
    shapes = {name: (int(name),) * ndim + (2, 4) for name in sizes}
    shapes |= {"bias": (4,), "pointwise": (2, 4)}
    layout = Layout({name: np.zeros(shape) for name, shape in shapes.items()})
    optimizer = make_omega_optimizer(1e-2, layout)

    @jax.jit
    def first(vector):
        ones, state = jnp.ones_like(vector), optimizer.init(vector)
        return optimizer.update(ones, state, vector)[0]

    size = sum(map(math.prod, shapes.values()))
    update = layout.to_tree(np.asarray(first(np.full(size, 0.5, np.float32))))
    moved = {name: -float(leaf.ravel()[0]) for name, leaf in update.items()}
    for name in ("1", "3", "bias", "pointwise"):
        assert moved[name] == pytest.approx(0.5e-2, rel=1e-4)
    for name in "57":
        part = np.sqrt(3**ndim / sizes[name])
        assert moved[name] == pytest.approx(0.5e-2 * part, rel=1e-4)


def test_quick_compilation_gives_the_same_numbers():
    options = quick_compilation()
    if jax.default_backend() != "cpu":
        assert options is None
    x = np.random.default_rng(0).random((40, 50), np.float32)
    quick = jax.jit(
        lambda x: (jax.numpy.tanh(x) @ x.T).sum(0), compiler_options=options
    )
    np.testing.assert_allclose(quick(x), (np.tanh(x) @ x.T).sum(0), rtol=1e-5)


def test_options_that_xla_does_not_know_are_left_out(monkeypatch):
    monkeypatch.setattr(_compiled, "_OLDER_EMITTERS", {"xla_no_such_option": True})
    assert quick_compilation() is None
