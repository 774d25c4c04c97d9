"""Every estimator that a configuration can name, as the search calls it."""

import inspect
import typing
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stand_in import search

from autoreg_jax import hypergrad
from autoreg_jax.config import HypergradientConfig, RunConfig, SearchConfig, merge
from autoreg_jax.errors import ConfigError
from autoreg_jax.programs import schedule
from autoreg_jax.programs._compiled import compiled_estimator, make_estimator

NAMES = typing.get_args(typing.get_type_hints(HypergradientConfig)["name"])
RATE = 0.1


def inner_loss(omega, a, batch):
    return jnp.mean((batch @ omega - jnp.sum(jnp.exp(a))) ** 2) + jnp.sum(omega**4)


def outer_loss(omega, a, batch):
    return jnp.mean(jnp.tanh(batch @ omega)) + jnp.sum(a**2)


PROBLEM = hypergrad.BilevelProblem(inner_loss, outer_loss)


def point():
    rng = np.random.default_rng(0)
    batches = rng.normal(size=(2, 6, 3))
    omega, a = np.array([0.3, -0.2, 0.5]), np.array([0.1, -0.4])
    return hypergrad.Point(omega, a, *batches)


# One without a loop, a solver, a solver that keeps a state, and a random one; the
# library has tests of its own for each.
FEW = {"one_step_unroll", "neumann", "warm_started_linear_system"}
FEW |= {"evolution_strategies"}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in FEW else [pytest.mark.slow])
        for name in NAMES
    ],
)
def test_compiled_is_plain(name):
    plain = make_estimator(HypergradientConfig(name=name, steps=3, pairs=2), RATE)
    compiled = compiled_estimator(plain, PROBLEM, hypergrad.gradient_descent(RATE))
    at = point()
    state = plain.init(at.inner, at.outer)
    update = {"inner_update": hypergrad.gradient_descent(RATE)}
    wanted, _ = jax.jit(partial(plain.estimate, PROBLEM, **update))(state, at)
    found, _ = compiled.estimate(None, state, at, inner_update=None)
    assert np.any(wanted.grad)
    jax.tree.map(
        lambda f, w: np.testing.assert_allclose(f, w, rtol=1e-9, atol=1e-12),
        found,
        wanted,
    )


def test_a_run_can_name_every_estimator_of_the_library_that_fits_it():
    """Not a matrix of the size of ω², nor one that must see every step of ω.

    Nor the part that others are made of, nor what is t1t2 by the virtual step of a run.
    """
    door = {
        name
        for name in hypergrad.__all__
        if inspect.isfunction(factory := getattr(hypergrad, name))
        and inspect.get_annotations(factory, eval_str=True).get("return")
        is hypergrad.HypergradientEstimator
    }
    assert set(NAMES) == door - {
        "full_hessian",
        "hyper_distill",
        "implicit",
        "online_forward_mode",
        "preconditioned_identity",
        "unbiased_online_recurrent_optimisation",
    }


@pytest.mark.parametrize(
    ("settings", "like"),
    [
        ({"steps": 7}, hypergrad.neumann(7, RATE)),
        ({"mixed": "central_difference", "radius": 0.5}, None),
    ],
)
def test_options_arrive(settings, like):
    name = HypergradientConfig(name="neumann", **settings)
    like = like or hypergrad.neumann(5, RATE, mixed=hypergrad.central_difference(0.5))
    update = {"inner_update": hypergrad.gradient_descent(RATE)}
    found, wanted = (
        jax.jit(partial(kind.estimate, PROBLEM, (), **update))(point())[0]
        for kind in (make_estimator(name, RATE), like)
    )
    np.testing.assert_array_equal(found.grad, wanted.grad)


def test_a_stage_may_have_its_own():
    named = {"search": {"lam": {"hypergradient": {"name": "forward_mode"}}}}
    feature, _, lam = schedule(merge(RunConfig(), named))[0]
    assert lam.hypergradient.name == "forward_mode"
    assert feature.hypergradient.name == "one_step_unroll"
    back = {"search": {"lam": {"hypergradient": None}}}
    assert merge(merge(RunConfig(), named), back) == RunConfig()


def test_first_order_is_refused_for_lambda_before_anything_runs():
    first = HypergradientConfig(name="first_order")
    with pytest.raises(ConfigError, match=r"lam\.hypergradient\.name=one_step"):
        SearchConfig(hypergradient=first)
    lam = replace(SearchConfig().lam, hypergradient=HypergradientConfig())
    SearchConfig(hypergradient=first, lam=lam)


@pytest.mark.slow
def test_a_search_with_loops_and_a_carried_state(cohorts, settings):
    """Both stages of α go through one estimator with a state, λ through another."""
    named = {
        "search": {
            "hypergradient": {"name": "warm_started_linear_system", "steps": 2},
            "lam": {"hypergradient": {"name": "forward_mode", "steps": 2}},
        }
    }
    found = search(*cohorts[:2], merge(settings, named))
    moved = [r for r in found.records if r.get("indirect_norm") is not None]
    assert {r["stage"] for r in moved} == {"feature", "deformation", "lam"}
    assert all(r["indirect_norm"] > 0 for r in moved)
    assert found.lam != found.lam_start
