"""Algorithms reach the optimum of problems whose optimum is known.

Run as a program this file computes on eight devices.
"""

import functools
import inspect
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize
from jax.sharding import AxisType
from own_algorithm import in_turn
from unoptimised import quick

from autoreg_jax import hypergrad as hg

pytestmark = pytest.mark.usefixtures("x64")

STILL = hg.whole_batches(None, None)


def shrinking(rate, after):
    """ρ / (1 + t/c)."""
    return lambda step: rate / (1 + step / after)


@functools.cache
def quadratic():
    """A problem, the optimum of a, and the gap of a as a share of the initial one."""
    example = hg.problems.quadratic(
        jax.random.key(1), inner_size=6, outer_size=3, condition=5.0
    )
    # The hypergradient is affine in a.
    points = jnp.concatenate([jnp.zeros((1, 3)), jnp.eye(3)])
    at_zero, *columns = np.asarray(quick(jax.vmap(example.reference))(points))
    optimum = -np.linalg.solve((np.array(columns) - at_zero).T, at_zero)

    def value(a):
        return example.problem.outer_loss(example.solution(a), a, None)

    least, most = (float(value(jnp.asarray(a))) for a in (optimum, np.zeros(3)))
    return example, optimum, lambda a: (value(a) - least) / (most - least)


# Bounds of the gap: a cut series is biased, so are a penalty and a short unroll; a
# random cut and random directions are noisy; the bias of bome is that of its steps.
ON_A_QUADRATIC = {
    "soba": (hg.soba(0.2, 0.2, 0.02), 1e-10),
    "ma_soba": (hg.ma_soba(0.2, 0.2, 0.02, 0.3), 1e-10),
    "fsla": (hg.fsla(0.2, 0.2, 0.02, 0.3), 1e-10),
    "amigo": (hg.amigo(5, 5, 0.2, 0.2, 0.05), 1e-10),
    "stocbio": (hg.stocbio(5, 40, 0.2, 0.2, 0.05), 1e-8),
    "f2sa": (
        hg.f2sa(3, 0.2, shrinking(0.05, 100), lambda step: 10.0 + step),
        1e-4,
    ),
    "bome": (hg.bome(10, 0.3, shrinking(0.1, 100)), 1e-3),
    "ttsa": (hg.ttsa(30, 0.2, 0.2, shrinking(0.02, 200)), 5e-3),
    "pzobo": (hg.pzobo(20, 10, 0.2, shrinking(0.05, 30), 1e-3), 2e-2),
    "alternating": (hg.alternating(hg.unroll(25), 0.2, 0.1, None), 1e-4),
    "warm_started": (
        hg.alternating(hg.warm_started_linear_system(5, 0.2), 0.2, 0.05, 5),
        1e-10,
    ),
    "in_turn": (in_turn(0.2, 0.2, 0.02), 1e-10),  # of a user, in a file of its own
}


@pytest.mark.parametrize("name", ON_A_QUADRATIC)
def test_the_optimum_of_a_quadratic(name):
    example, _, gap = quadratic()
    algorithm, bound = ON_A_QUADRATIC[name]

    @quick
    def run(key):
        start = jnp.zeros(6), jnp.zeros(3)
        args = example.problem, algorithm, STILL, 2000, key, start
        found = hg.solve(*args, measure=lambda omega, a: gap(a), every=1000)
        return found.trace["measure"], optax.tree.norm(
            found.inner - example.solution(found.outer)
        )

    gaps, distance = run(jax.random.key(0))
    assert abs(gaps[-1]) < bound
    assert distance < 0.1  # ω is near ω*(a)


# The penalty of the table above is a number of its own kind and a whole one.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=[pytest.mark.slow] * (n not in ("bome", "warm_started")))
        for n in sorted(ON_A_QUADRATIC.keys() - {"f2sa"})
    ],
)
def test_nothing_is_promoted_by_itself(name):
    """In single precision, while the default is double."""
    problem = hg.BilevelProblem(
        lambda omega, a, batch: jnp.sum(jnp.cosh(omega) - omega * a),
        lambda omega, a, batch: jnp.sum((omega - 1) ** 2) + jnp.mean(a**2),
    )
    algorithm, start = ON_A_QUADRATIC[name][0], [np.zeros(3, np.float32)] * 2

    def run(key, start):
        found = hg.solve(problem, algorithm, STILL, 4, key, tuple(start), every=2)
        return found.inner, found.outer

    with jax.numpy_dtype_promotion("strict"):
        found = jax.eval_shape(run, jax.random.key(0), start)
    assert [leaf.dtype for leaf in found] == [np.float32, np.float32]


# Of a factor on the outer step size, which may be traced.
WITH_RATE = {
    "soba": lambda s: hg.soba(0.2, 0.2, 0.02 * s),
    "ma_soba": lambda s: hg.ma_soba(0.2, 0.2, 0.02 * s, 0.3),
    "fsla": lambda s: hg.fsla(0.2, 0.2, 0.02 * s, 0.3),
    "amigo": lambda s: hg.amigo(5, 5, 0.2, 0.2, 0.05 * s),
    "stocbio": lambda s: hg.stocbio(5, 40, 0.2, 0.2, 0.05 * s),
    "f2sa": lambda s: hg.f2sa(
        3, 0.1, lambda step: 0.05 * s / (1 + step / 100), lambda step: 10.0 + step
    ),
    "bome": lambda s: hg.bome(10, 0.2, lambda step: 0.1 * s / (1 + step / 100)),
    "ttsa": lambda s: hg.ttsa(30, 0.2, 0.2, lambda t: 0.02 * s / (1 + t / 200)),
    "pzobo": lambda s: hg.pzobo(20, 10, 0.2, lambda t: 0.05 * s / (1 + t / 30), 1e-2),
    "alternating": lambda s: hg.alternating(hg.unroll(25), 0.2, 0.1 * s, None),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_RATE)
def test_in_single_precision_mapped_over_step_sizes(name):
    """Each is the run with its step size alone, in double precision."""
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    curvature = rotation @ np.diag(np.linspace(1, 5, 6)) @ rotation.T
    mixed, target = rng.normal(size=(6, 3)), rng.normal(size=6)

    def run(factor):
        dtype = factor.dtype
        a, c, t = (jnp.asarray(x, dtype) for x in (curvature, mixed, target))
        problem = hg.BilevelProblem(
            lambda w, outer, batch: 0.5 * w @ a @ w - w @ (c @ outer),
            lambda w, outer, batch: 0.5 * jnp.sum((w - t) ** 2) + 0.05 * outer @ outer,
        )
        start = jnp.zeros(6, dtype), jnp.zeros(3, dtype)
        args = problem, WITH_RATE[name](factor), STILL, 2000, jax.random.key(0), start
        return hg.solve(*args, every=2000).outer

    factors = jnp.asarray([0.5, 1.0], jnp.float32)
    both = quick(lambda f: (jax.vmap(run)(f), run(f[1].astype(float))))
    mapped, alone = both(factors)
    assert (mapped.dtype, alone.dtype) == (np.float32, np.float64)
    assert (mapped[0] != mapped[1]).any()
    answer = np.linalg.solve(curvature, mixed)  # ω* = answer · a
    optimum = np.linalg.solve(answer.T @ answer + 0.1 * np.eye(3), answer.T @ target)
    size = np.linalg.norm(optimum)
    if name == "pzobo":  # other random directions in another precision
        assert np.linalg.norm(mapped[1] - optimum) < 0.1 * size
    else:
        assert np.linalg.norm(mapped[1] - alone) < 1e-3 * size
    if name not in ("bome", "pzobo", "ttsa"):  # whose ends are inexact here
        assert np.linalg.norm(mapped[1] - optimum) < 1e-2 * size


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_RATE)
def test_a_third_level_inside_of_the_inner_loss(name):
    """ω follows the minimiser 2 / a of a loss of its own; it is to be 1.25."""
    lowest = hg.argmin(
        lambda w, a, b: 0.5 * a * w**2 - w * b,
        lambda _, a, b: b / a,
        hg.conjugate_gradient(1),
    )
    problem = hg.BilevelProblem(
        lambda omega, a, batch: 0.5 * (omega - lowest(a, 2.0)) ** 2,
        lambda omega, a, batch: 0.5 * (omega - 1.25) ** 2,
    )

    @quick
    def run(key):
        start = jnp.zeros(()), jnp.ones(())
        args = problem, WITH_RATE[name](1.0), STILL, 3000, key, start
        return hg.solve(*args, every=3000).outer

    # Its directions are random, and one is the derivative times a square.
    bound = 1e-2 if name == "pzobo" else 1e-3
    assert abs(run(jax.random.key(0)) - 2 / 1.25) < bound


def test_every_algorithm_is_tested():
    found = {
        name
        for name in hg.__all__
        if inspect.isfunction(factory := getattr(hg, name))
        and inspect.get_annotations(factory, eval_str=True).get("return")
        is hg.Algorithm
    }
    assert found == {*ON_A_QUADRATIC, "saba"} - {"warm_started", "in_turn"}
    assert found == {*ON_RIDGE} == {*ON_CLEANING}


@functools.cache
def ridge():
    """Selection of the penalties of two features; its optimum by BFGS."""

    def data(seed):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(24, 2))
        return x, x @ [1.0, 0.6] + rng.normal(size=24)

    example = hg.problems.ridge(*(jax.tree.map(jnp.asarray, data(s)) for s in (20, 21)))

    def value(a):
        valid = example.point.valid_batch
        return example.problem.outer_loss(example.solution(a), a, valid)

    both = quick(lambda a: (value(a), example.reference(a)))
    found = scipy.optimize.minimize(
        lambda a: tuple(map(np.asarray, both(jnp.asarray(a)))),
        np.zeros(2),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-10},
    )
    drop = float(value(jnp.zeros(2))) - found.fun
    return example, found.x, lambda a: (value(a) - found.fun) / drop


def batches(example, size):
    return hg.minibatches(*example.point[2:], size, size)


def slow(rate):
    return lambda step: rate / (1 + step / 20) ** 0.6


# Two of two batches: 24 rows say little about each other, so that the noise is large.
# The penalty grows, the bias and the share of the noise shrink; bome has no noise.
ON_RIDGE = {
    "saba": (hg.saba(0.1, 0.1, 1.0), 12, 1e-9),
    "soba": (hg.soba(slow(0.2), slow(0.2), shrinking(2.0, 40)), 12, 2e-3),
    "amigo": (hg.amigo(3, 3, slow(0.2), slow(0.2), shrinking(2.0, 40)), 12, 2e-3),
    "stocbio": (hg.stocbio(3, 10, slow(0.2), 0.2, shrinking(2.0, 40)), 12, 2e-3),
    "f2sa": (
        hg.f2sa(
            3, slow(0.2), shrinking(1.0, 40), lambda step: 5 * (1 + step / 20) ** 0.5
        ),
        12,
        2e-3,
    ),
    "bome": (hg.bome(10, 0.3, shrinking(1.0, 100)), 24, 1e-7),
    "ma_soba": (hg.ma_soba(slow(0.2), slow(0.2), shrinking(2.0, 40)), 12, 2e-3),
    "fsla": (hg.fsla(slow(0.2), slow(0.2), shrinking(2.0, 40)), 12, 2e-3),
    "ttsa": (hg.ttsa(10, slow(0.2), 0.2, shrinking(0.5, 100)), 12, 1e-2),
    "pzobo": (hg.pzobo(10, 10, slow(0.2), shrinking(1.0, 60)), 12, 1e-2),
    "alternating": (hg.alternating(hg.unroll(20), 0.3, 1.0, None), 24, 1e-6),
}


def ends_on_ridge(name, dtype):
    """The outer variable of a run and its gap."""
    example, _, gap = ridge()
    algorithm, size, _ = ON_RIDGE[name]
    sampler = jax.tree.map(lambda x: x.astype(dtype), batches(example, size))

    @quick
    def run(key):
        start = jnp.zeros(2, dtype), jnp.zeros(2, dtype)
        args = example.problem, algorithm, sampler, 6000, key, start
        found = hg.solve(*args, every=6000)
        return found.outer, gap(found.outer.astype(float))

    return run(jax.random.key(0))


# What the quadratic above tells as much about is slow.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=[]
            if name in ("saba", "soba", "f2sa", "bome")
            else [pytest.mark.slow],
        )
        for name in ON_RIDGE
    ],
)
def test_the_optimum_of_a_ridge_selection_on_small_batches(name):
    _, optimum, _ = ridge()
    outer, missing = ends_on_ridge(name, jnp.float64)
    bound = ON_RIDGE[name][-1]
    assert abs(missing) < bound
    assert np.abs(outer - optimum).max() < 5 * bound**0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_RIDGE)
def test_the_optimum_of_a_ridge_selection_in_single_precision(name):
    outer, missing = ends_on_ridge(name, jnp.float32)
    assert outer.dtype == np.float32
    assert abs(missing) < max(ON_RIDGE[name][-1], 1e-6)


@functools.cache
def cleaning():
    """Three clusters; a third of the training labels are wrong."""

    def draw(count, seed):
        rng = np.random.default_rng(seed)
        labels = np.arange(count) % 3
        return 2 * np.eye(3)[labels] + 0.5 * rng.normal(size=(count, 3)), labels

    (x, labels), valid = draw(24, 0), draw(15, 1)
    is_wrong = np.arange(24) % 8 < 3
    train = x, np.where(is_wrong, (labels + 1) % 3, labels)
    data = jax.tree.map(jnp.asarray, (train, valid))
    example = hg.problems.hyper_cleaning(*data, 3, 0.05)
    sampler = hg.minibatches((*data[0], jnp.arange(24)), data[1], 8, 5)

    @quick
    def values(outer):
        """The true outer loss at first, at a, and if a knew the wrong labels."""
        known = jnp.where(is_wrong, -20.0, 20.0)
        return jax.lax.map(
            lambda a: example.problem.outer_loss(
                example.solution(a), a, example.point.valid_batch
            ),
            jnp.stack([example.point.outer, outer, known]),
        )

    return example, sampler, is_wrong, values


# The algorithm, its outer steps, and whether it takes the whole data in each.
ON_CLEANING = {
    "bome": (hg.bome(10, 0.5, shrinking(20.0, 200)), 2000, True),
    "f2sa": (
        hg.f2sa(
            3,
            slow(0.5),
            shrinking(50.0, 200),
            lambda step: 5 * (1 + step / 20) ** 0.5,
        ),
        2000,
        False,
    ),
    "saba": (hg.saba(0.3, 0.3, 20.0), 2000, False),
    "soba": (hg.soba(slow(0.5), slow(0.5), shrinking(20.0, 200)), 2000, False),
    "ma_soba": (hg.ma_soba(slow(0.5), slow(0.5), shrinking(20.0, 200)), 2000, False),
    "fsla": (hg.fsla(slow(0.5), slow(0.5), shrinking(20.0, 200)), 2000, False),
    "amigo": (hg.amigo(3, 3, slow(0.5), slow(0.5), shrinking(20.0, 200)), 2000, False),
    "stocbio": (hg.stocbio(3, 10, slow(0.5), 0.5, shrinking(20.0, 200)), 2000, False),
    "ttsa": (hg.ttsa(10, slow(0.5), 0.5, shrinking(5.0, 500)), 6000, False),
    "pzobo": (hg.pzobo(10, 10, slow(0.5), shrinking(10.0, 1000)), 4000, False),
    "alternating": (
        hg.alternating(hg.conjugate_gradient(10), 0.5, 20.0, 3),
        1000,
        True,
    ),
}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        pytest.param(
            name,
            dtype,
            marks=[] if (name, dtype) == ("bome", "float64") else [pytest.mark.slow],
        )
        for name in ON_CLEANING
        for dtype in ("float64", "float32")
    ],
)
def test_wrong_labels_lose_their_weight(name, dtype):
    """And the true outer loss falls almost to where perfect knowledge leads it."""
    example, batches, is_wrong, values = cleaning()
    algorithm, steps, is_whole = ON_CLEANING[name]

    def cast(x):
        return x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

    point, batches = jax.tree.map(cast, (example.point, batches))
    sampler = hg.whole_batches(*point[2:]) if is_whole else batches

    @quick
    def run(key):
        start = point.inner, point.outer
        args = example.problem, algorithm, sampler, steps, key, start
        return hg.solve(*args, every=steps).outer

    outer = run(jax.random.key(0))
    assert outer.dtype == dtype
    assert outer[is_wrong].max() < outer[~is_wrong].min()
    first, last, wanted = values(outer.astype(float))
    assert first - last > 0.9 * (first - wanted)


def test_a_run_that_goes_on_is_one_run_and_step_sizes_are_mapped_over():
    """Of a tree in single precision, while the default is double; records are kept."""
    problem = hg.BilevelProblem(
        lambda o, a, b: jnp.sum((o["w"] - a["x"]) ** 2) + jnp.mean(b) * jnp.sum(o["w"]),
        lambda o, a, b: jnp.sum((o["w"] - 2) ** 2) + 0.1 * jnp.mean(b),
    )
    single = functools.partial(jnp.asarray, dtype=jnp.float32)
    sampler = hg.minibatches(single(np.arange(8) / 8), single(np.arange(4) / 4), 2, 2)
    start = {"w": single([0.0, 1.0])}, {"x": single([0.5, 0.0])}

    def run(rate, steps, begin, every=1):
        algorithm = hg.saba(rate, rate, rate)
        args = problem, algorithm, sampler, steps, jax.random.key(3), begin
        return hg.solve(*args, every=every, measure=lambda o, a: a["x"][0])

    @quick
    def all_runs(rates):
        first = run(0.1, 4, start)
        return (
            run(0.1, 8, start),
            run(0.1, 8, start, every=2),
            run(0.1, 4, first.state),
            jax.vmap(lambda rate: run(rate, 8, start).outer)(rates),
            run(0.2, 8, start).outer,
        )

    whole, every, second, mapped, other = all_runs(jnp.array([0.1, 0.2]))
    assert int(whole.state.step) == 8
    assert whole.outer["x"].dtype == whole.inner["w"].dtype == np.float32
    for name, records in whole.trace.items():
        np.testing.assert_allclose(every.trace[name], records[1::2], rtol=1e-6)
    for a, b in zip(
        jax.tree.leaves(second.state), jax.tree.leaves(whole.state), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    np.testing.assert_allclose(mapped["x"], [whole.outer["x"], other["x"]], rtol=1e-6)
    assert np.abs(other["x"] - whole.outer["x"]).max() > 1e-3


def test_a_series_with_fresh_batches_is_unbiased_and_with_one_batch_is_not():
    """E Π(1 − ηh_j) of two curvatures: by hand for one step of a from zero."""
    curvatures, rate, terms = np.array([0.5, 1.5]), 0.8, 4
    problem = hg.BilevelProblem(
        lambda o, a, b: 0.5 * jnp.mean(b) * o**2 - o * a, lambda o, a, b: o
    )
    sampler = hg.minibatches(jnp.asarray(curvatures), jnp.ones(1), 1, 1)
    fresh = hg.stocbio(1, terms, 0.1, rate, 1.0)

    @quick
    def moves(keys):
        def one(key):
            start = jnp.zeros(()), jnp.zeros(())
            state = fresh.init(problem, sampler, *start)
            return fresh.step(problem, sampler, state, key)[0].outer

        return jax.vmap(one)(keys)

    found = np.asarray(moves(jax.random.split(jax.random.key(0), 4000)))
    error = found.std() / len(found) ** 0.5

    def series(factors):
        return rate * sum(np.prod(factors[:q], axis=0) for q in range(terms + 1))

    # a moves by −γ (−M z) with M = −1.
    independent = -series(np.full(terms, 1 - rate * curvatures.mean()))
    shared = -series(np.tile(1 - rate * curvatures, (terms, 1))).mean()
    assert abs(found.mean() - independent) < 3 * error
    assert abs(found.mean() - shared) > 10 * error


def test_refusals():
    problem, start = quadratic()[0].problem, (jnp.zeros(6), jnp.zeros(3))
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="must be a FiniteSum"):
        hg.solve(problem, hg.saba(0.1, 0.1, 0.1), STILL, 2, key, start)
    with pytest.raises(ValueError, match="steps must be a multiple of every = 2"):
        hg.solve(problem, hg.soba(0.1, 0.1, 0.1), STILL, 3, key, start, every=2)
    with pytest.raises(ValueError, match="outer_rate must be positive"):
        hg.soba(0.1, 0.1, 0.0)
    with pytest.raises(ValueError, match="penalty must be positive"):
        hg.f2sa(1, 0.1, 0.1, -1.0)
    with pytest.raises(
        ValueError, match=r"valid_data\['x'\]: batches of 3 must divide"
    ):
        hg.minibatches(jnp.ones(3), {"x": jnp.ones(4)}, 3, 3)
    with pytest.raises(ValueError, match="train_data: its leaves have 4, 6 examples"):
        hg.minibatches((jnp.ones(4), jnp.ones(6)), jnp.ones(2), 2, 2)
    algorithm = hg.alternating(hg.t1t2(), 0.1, 0.1, None)
    with pytest.raises(ValueError, match="takes none: set inner_steps"):
        hg.solve(problem, algorithm, STILL, 1, key, start)
    with pytest.raises(ValueError, match="train_data: batches of 1 must divide"):
        hg.minibatches(jnp.ones((0, 2)), jnp.ones(2), 1, 1)
    for factory in (hg.soba, hg.alternating):
        with pytest.raises(ValueError, match="must be a HypergradientEstimator"):
            hg.alternating(factory, 0.1, 0.1)
    # A rate, a schedule and a number where another of them is expected.
    for rate in (None, "0.1", optax.adam, lambda: 0.1, lambda count: jnp.ones(2)):
        with pytest.raises(ValueError, match="inner_rate"):
            hg.soba(rate, 0.1, 0.1)
    with pytest.raises(ValueError, match="linear_rate must be a number, got function"):
        hg.stocbio(1, 1, 0.1, optax.constant_schedule(0.1), 0.1)
    with pytest.raises(ValueError, match="penalty must be a number, got Gradient"):
        hg.f2sa(1, 0.1, 0.1, optax.sgd(0.1))
    for count in (2.0, "2", None):
        with pytest.raises(ValueError, match="must be a whole number"):
            hg.conjugate_gradient(count)


def test_arguments_in_another_order_and_foreign_functions():
    problem, start = quadratic()[0].problem, (jnp.zeros(6), jnp.zeros(3))
    soba = hg.soba(0.1, 0.1, 0.1)
    right = problem, soba, STILL, 2, jax.random.key(0), start

    def short(problem, sampler, state, key):
        return state

    def grown(problem, sampler, state, key):
        return state._replace(inner={"omega": state.inner}), {}

    cases = (
        (0, soba, "problem must be a BilevelProblem"),
        (0, hg.BilevelProblem(1.0, problem.outer_loss), "inner_loss must be a func"),
        (1, hg.soba, r"algorithm must be a Algorithm\(init, step\), found a function"),
        (1, hg.t1t2(), "found a HypergradientEstimator"),
        (1, hg.Algorithm(lambda *_: {}, soba.step), "`init` returns must be a Algor"),
        (1, hg.Algorithm(soba.init, short), r"`step` must return a pair \(Algorithm"),
        (1, hg.Algorithm(soba.init, grown), "state behind a step has another struct"),
        (2, (None, None), r"sampler must be a function key -> .* `minibatches`"),
        (3, 2.5, r"steps must be a whole number, .* got 2\.5"),
        (4, 0, r"key must be one random key, .* found int64\[\]"),
        (4, jax.random.split(right[4]), r"key must .* found key<fry>\[2\]"),
    )
    for place, wrong, words in cases:
        with pytest.raises(ValueError, match=words):
            hg.solve(*right[:place], wrong, *right[place + 1 :])


def test_steps_are_counted_whatever_step_returns():
    """So each has a key of its own, also where an author forgets to count."""

    def step(problem, sampler, state, key):
        return state._replace(step=state.step - 7), {"drawn": sampler(key)[0]}

    batches = hg.minibatches(jnp.arange(64), jnp.arange(64), 1, 1)
    algorithm = hg.Algorithm(hg.soba(0.1, 0.1, 0.1).init, step)
    problem, start = quadratic()[0].problem, (jnp.zeros(6), jnp.zeros(3))
    found = hg.solve(problem, algorithm, batches, 8, jax.random.key(0), start)
    assert found.state.step == 8
    assert len(np.unique(found.trace["drawn"])) > 4


def test_no_data_are_one_batch():
    batches = hg.minibatches(None, jnp.arange(4), 2, 2)
    assert batches.counts == (1, 2)
    assert batches.take(0, 1)[0] is None


@pytest.mark.parametrize("name", ["f2sa", "fsla"])
def test_a_first_state_may_be_donated(name):
    """What an algorithm remembers of ω is not the array of ω itself."""
    problem, algorithm = quadratic()[0].problem, ON_A_QUADRATIC[name][0]
    state = algorithm.init(problem, STILL, jnp.zeros(6), jnp.zeros(3))
    places = [x.unsafe_buffer_pointer() for x in jax.tree.leaves(state)]
    assert len(set(places)) == len(places)


# `Algorithm` looks at the arguments of all; these differ in their memory.
@pytest.mark.parametrize("name", ["soba", "f2sa", "alternating"])
def test_what_an_algorithm_cannot_take_is_refused_in_a_sentence(name):
    algorithm, key = ON_A_QUADRATIC[name][0], jax.random.key(0)
    problem, pair = quadratic()[0].problem, (jnp.zeros(6), jnp.zeros(3))
    unused = hg.BilevelProblem(*[lambda omega, a, b: jnp.sum(omega**2)] * 2)
    vector = hg.BilevelProblem(*[lambda omega, a, b: omega * jnp.sum(a)] * 2)

    def tried(problem=problem, sampler=STILL, start=pair):
        def run(start):
            return hg.solve(problem, algorithm, sampler, 2, key, start)

        return jax.eval_shape(run, start)

    tried()
    other = "soba" if name != "soba" else "amigo"
    foreign = ON_A_QUADRATIC[other][0].init(problem, STILL, *pair)
    cases = (
        ({"start": foreign}, "The state of the algorithm has another structure"),
        ({"start": (jnp.arange(6), pair[1])}, r"inner must .* found int64\[6\]"),
        ({"start": (*pair, None)}, r"start must be a tuple \(inner, outer\)"),
        ({"sampler": lambda key: None}, r"sampler must return a pair .* found None"),
        ({"problem": unused}, "The outer variable has no part in"),
        ({"problem": vector}, r"must return its value alone, .* found float64\[6\]"),
    )
    for given, words in cases:
        with pytest.raises(ValueError, match=words):
            tried(**given)


DEVICES = 8
DIVIDED = {
    "saba": hg.saba(0.1, 0.1, 0.1),
    **{name: algorithm for name, (algorithm, _) in ON_A_QUADRATIC.items()},
    "stocbio": hg.stocbio(2, 2, 0.1, 0.1, 0.1),
    "ttsa": hg.ttsa(3, 0.1, 0.1, 0.1),
    "pzobo": hg.pzobo(2, 2, 0.1, 0.1),
    "alternating": hg.alternating(hg.unroll(2), 0.1, 0.1),
}


def weighted_fit(omega, outer, batch):
    """Each example has a weight and a row of shifts in the outer variable."""
    x, y = batch
    error = jnp.sum((x - outer["shifts"]) * omega[None], axis=1) - y
    return jnp.mean(jax.nn.sigmoid(outer["weights"]) * error**2) + jnp.sum(omega**2)


def fit(omega, outer, batch):
    x, y = batch
    error = jnp.sum(x * omega[None], axis=1) - y
    return jnp.mean(error**2) + 0.01 * jnp.mean(outer["shifts"] ** 2)


def rows():
    """The outer variable, and two batches of each kind, stacked."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.normal(size=shape)

    outer = {"weights": draw(DEVICES), "shifts": draw(DEVICES, 3)}
    return outer, [(draw(2, DEVICES, 3), draw(2, DEVICES)) for _ in range(2)]


def two_steps(name, outer, stacked):
    problem = hg.BilevelProblem(weighted_fit, fit)
    start = jnp.array([0.5, -0.2, 0.1]), outer
    args = problem, DIVIDED[name], hg.FiniteSum(*stacked), 2, jax.random.key(0), start
    return hg.solve(*args).outer


@pytest.mark.parametrize("name", DIVIDED)
def test_an_outer_variable_that_is_divided_stays_divided(name):
    """By the types of an explicit mesh, without devices; the batches are divided."""
    mesh = jax.sharding.AbstractMesh(
        (DEVICES,), ("rows",), axis_types=(AxisType.Explicit,)
    )

    def divided(tree, *axes):
        dealt = jax.NamedSharding(mesh, jax.P(*axes))
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=dealt), tree
        )

    outer, stacked = rows()
    given = divided(outer, "rows"), divided(stacked, None, "rows")
    with jax.sharding.use_abstract_mesh(mesh):
        found = jax.eval_shape(functools.partial(two_steps, name), *given)
    for leaf in jax.tree.leaves(found):
        assert leaf.sharding.spec[0] == "rows"


@pytest.mark.parametrize("name", DIVIDED)
def test_a_start_from_outside_of_the_mesh_is_put_on_it(name):
    """Only the data are divided; ω and a were made before the mesh was set."""
    mesh = jax.sharding.AbstractMesh(
        (DEVICES,), ("rows",), axis_types=(AxisType.Explicit,)
    )
    outer, _ = rows()
    dealt = jax.NamedSharding(mesh, jax.P("rows"))
    x = jax.ShapeDtypeStruct((2 * DEVICES, 3), float, sharding=dealt)
    y = jax.ShapeDtypeStruct((2 * DEVICES,), float, sharding=dealt)

    def of_all(outer, *data):
        return two_steps(name, outer, hg.minibatches(data, data, DEVICES, DEVICES))

    with jax.sharding.use_abstract_mesh(mesh):
        found = jax.eval_shape(of_all, outer, x, y)
    for leaf, given in zip(jax.tree.leaves(found), jax.tree.leaves(outer), strict=True):
        assert leaf.shape == given.shape
        assert leaf.sharding.mesh == mesh


def test_batches_of_divided_data_are_divided():
    mesh = jax.sharding.AbstractMesh(
        (DEVICES,), ("rows",), axis_types=(AxisType.Explicit,)
    )
    dealt = jax.NamedSharding(mesh, jax.P("rows"))
    data = jax.ShapeDtypeStruct((2 * DEVICES, 3), float, sharding=dealt)
    with jax.sharding.use_abstract_mesh(mesh):
        found = jax.eval_shape(lambda x: hg.minibatches(x, x, 8, 16), data)
    for leaf, count in zip(found, (2, 1), strict=True):
        assert leaf.shape == (count, 16 // count, 3)
        assert leaf.sharding.spec == jax.P(None, "rows", None)


@pytest.mark.slow
def test_on_eight_devices_algorithms_find_the_same():
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={DEVICES}",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, __file__],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr


def on_devices():
    """Outer variable and batches are divided on both kinds of mesh, or are not."""
    outer, stacked = jax.tree.map(jnp.asarray, rows())

    def plain(outer, stacked):
        return {name: two_steps(name, outer, stacked) for name in DIVIDED}

    everything = quick(plain)
    wanted = everything(outer, stacked)
    for kind in AxisType.Auto, AxisType.Explicit:
        mesh = jax.make_mesh((DEVICES,), ("rows",), axis_types=(kind,))
        with jax.set_mesh(mesh):
            given = (
                jax.device_put(outer, jax.NamedSharding(mesh, jax.P("rows"))),
                jax.device_put(stacked, jax.NamedSharding(mesh, jax.P(None, "rows"))),
            )
            alike = [everything(*given), everything(outer, given[1])]
            alike += [quick(lambda given=given: plain(*given))()]  # a closure
        for found in alike:
            for a, b in zip(
                jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True
            ):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


if __name__ == "__main__":
    with jax.enable_x64(True):
        on_devices()
