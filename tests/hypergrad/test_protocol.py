"""What every estimator at the door owes to its caller, whatever it estimates.

An estimator is found by its return annotation: one that `hypergrad.__all__` lists is
tested here, and one that a user may have written (`own_estimator`). Run as a program
this file computes on eight devices.
"""

import functools
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from jax.sharding import AxisType
from own_estimator import through_one_step
from unoptimised import quick

from autoreg_jax import hypergrad as hg

pytestmark = pytest.mark.usefixtures("x64")

DEVICES = 8
OPTIMIZER = optax.sgd(0.1, momentum=0.9)


def identity(operator, vector, state):
    """A solver for estimators of one's own: H is taken for the identity."""
    return hg.LinearSolution(vector, state, {})


# Small values of the parameters of all factories, by the name of the parameter.
ARGUMENTS = {
    "damping": 0.5,
    "iterations": 2,
    "learning_rate": 0.1,
    "optimizer_state": lambda inner: OPTIMIZER.init(inner),
    "pairs": 3,
    "penalty": 10.0,
    "rank": 2,
    "sigma": 0.1,
    "size": 0.5,
    "solve": lambda inner: identity,
    "steps": 2,
    "terms": 2,
}
FACTORIES = {
    name: factory
    for name in hg.__all__
    if inspect.isfunction(factory := getattr(hg, name))
    and inspect.get_annotations(factory, eval_str=True).get("return")
    is hg.HypergradientEstimator
}


FACTORIES["through_one_step"] = through_one_step


def make(name, inner):
    """The estimator of a factory whose parameters are looked up in ARGUMENTS."""
    parameters = inspect.signature(FACTORIES[name]).parameters.values()
    unknown = [
        p.name
        for p in parameters
        if p.default is inspect.Parameter.empty and p.name not in ARGUMENTS
    ]
    if unknown:
        pytest.fail(
            f"hypergrad.{name} has required parameters that this test does not know: "
            f"add a small value of {', '.join(unknown)} to ARGUMENTS in {__file__}."
        )
    values = {p.name: ARGUMENTS[p.name] for p in parameters if p.name in ARGUMENTS}
    return FACTORIES[name](
        **{k: v(inner) if callable(v) else v for k, v in values.items()}
    )


def fit(inner, outer, batch):
    residual = jnp.tanh(batch["x"] * outer["gain"][None]) @ inner["w"] - batch["y"]
    return jnp.mean(jnp.sqrt(1 + residual**2))


def inner_loss(inner, outer, batch):
    """A convex regression that every entry of the outer variable has a part in."""
    coupling = inner["w"].ravel() @ outer["grid"] @ jnp.linspace(-1.0, 1.0, 8)
    decay = jnp.sum(inner["w"] ** 2 @ jnp.exp(jnp.stack(outer["weights"])))
    return fit(inner, outer, batch) + 0.1 * (coupling + decay)


def outer_loss(inner, outer, batch):
    squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(outer))
    return fit(inner, outer, batch) + 0.05 * squares


PROBLEM = hg.BilevelProblem(inner_loss, outer_loss)


def arrays(seed=0):
    """ω, a and both batches; a is a dict of a list of scalars, a matrix, a vector."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return jnp.asarray(0.5 * rng.normal(size=shape))

    inner = {"w": draw(3, 2)}
    outer = {"weights": [draw(), draw()], "grid": draw(6, 8), "gain": draw(3)}
    batches = [{"x": draw(8, 3), "y": draw(8, 2)} for _ in range(2)]
    return inner, outer, *batches


def estimate(name, carry, train, valid, problem=PROBLEM):
    inner, moments, outer, state = carry
    return make(name, inner).estimate(
        problem,
        state,
        hg.Point(inner, outer, train, valid),
        inner_update=hg.from_optax(OPTIMIZER, moments),
    )


def begin(name, inner, outer):
    return inner, OPTIMIZER.init(inner), outer, make(name, inner).init(inner, outer)


def advance(name, carry, train, valid, problem=PROBLEM):
    """One iteration of a search: an estimate, a step of ω and one of a."""
    inner, moments, outer, _ = carry
    hyper, state = estimate(name, carry, train, valid, problem)
    gradient = jax.grad(problem.inner_loss)(inner, outer, train)
    inner, moments = hg.from_optax(OPTIMIZER, moments).step(inner, gradient, moments)
    outer = optax.tree.add_scale(outer, -0.05, hyper.grad)
    return (inner, moments, outer, state), hyper


TRACES, PARTS = [], ("grad", "direct", "indirect")


@functools.cache
def compiled(name):
    """`advance`, compiled once for all tests of an estimator."""

    def traced(*args):
        TRACES.append(name)
        return advance(name, *args)

    return quick(traced)


def kinds(tree):
    return jax.tree.map(lambda x: (x.shape, x.dtype), tree)


def same(found, wanted):
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def on_vectors(outer):
    """The outer variable as a vector, the problem of vectors, and the way back."""
    flat, unravel = ravel_pytree(outer)
    problem = hg.BilevelProblem(
        lambda w, a, batch: inner_loss(w, unravel(a), batch),
        lambda w, a, batch: outer_loss(w, unravel(a), batch),
    )

    def as_tree(hyper):
        return hyper._replace(**{p: unravel(getattr(hyper, p)) for p in PARTS})

    return flat, problem, as_tree


# Hundreds of kernels if they are not compiled as a whole.
DEAR = {
    "conjugate_gradient",
    "evolution_strategies",
    "forward_mode",
    "full_hessian",
    "generalised_minimal_residual",
    "noise_reuse_evolution_strategies",
    "nystrom",
    "online_forward_mode",
    "persistent_evolution_strategies",
    "unbiased_online_recurrent_optimisation",
}
EACH = [
    pytest.param(name, marks=[pytest.mark.slow] if name in DEAR else [])
    for name in FACTORIES
]


@pytest.mark.parametrize("name", EACH)
def test_compiled_it_is_what_it_is_without(name):
    """Compiled, on a tree, it is what it is on the flat vector without compilation."""
    inner, outer, *batches = arrays()
    flat, problem, as_tree = on_vectors(outer)
    before = jax.tree.map(np.array, (inner, flat, batches))
    with jax.disable_jit():
        eager, _ = estimate(name, begin(name, inner, flat), *batches, problem)
    chex.assert_trees_all_equal((inner, flat, batches), before)
    _, hyper = compiled(name)(begin(name, inner, outer), *batches)
    same(hyper, as_tree(eager))


@pytest.mark.parametrize("name", FACTORIES)
def test_one_call(name):
    """The gradient is the sum of its two parts."""
    inner, outer, *batches = arrays()
    _, hyper = compiled(name)(begin(name, inner, outer), *batches)
    same(hyper.grad, optax.tree.add(hyper.direct, hyper.indirect))
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(hyper))


@pytest.mark.parametrize("name", FACTORIES)
def test_shapes_and_types_are_those_of_the_outer_variable(name):
    """Of a tree with one leaf in single precision; the state keeps its own."""
    inner, outer, *batches = arrays()
    outer["gain"] = outer["gain"].astype(jnp.float32)
    carry = begin(name, inner, outer)
    hyper, state = jax.eval_shape(lambda c: estimate(name, c, *batches), carry)
    for part in PARTS:
        assert kinds(getattr(hyper, part)) == kinds(outer)
    assert kinds(state) == kinds(carry[-1])


@pytest.mark.parametrize("name", FACTORIES)
def test_many_calls(name):
    """They are traced once, and stay numbers."""
    inner, outer, *batches = arrays()
    carry = begin(name, inner, outer)
    for _ in range(100):
        carry, hyper = compiled(name)(carry, *batches)
    assert TRACES.count(name) == 1
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(hyper))


# Of those that are compared without compilation above, three; all by `slow`.
SCANNED = DEAR | {"finite_difference", "one_step_unroll", "halved_unroll"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in SCANNED else [pytest.mark.slow])
        for name in FACTORIES
    ],
)
def test_a_scan_mapped_over_seeds_is_a_loop_over_both(name):
    """The scan on the flat vector, the loop on a tree."""
    seeds = [arrays(seed) for seed in range(2)]
    ends, pasts = [], []
    for inner, outer, *batches in seeds:
        carry, past = begin(name, inner, outer), []
        for _ in range(3):
            carry, hyper = compiled(name)(carry, *batches)
            past.append(hyper)
        ends.append((carry[0], ravel_pytree(carry[2])[0]))
        pasts.append(past)

    @quick
    @jax.vmap
    def mapped(inner, outer, train, valid):
        flat, problem, as_tree = on_vectors(outer)

        def step(carry, _):
            carry, hyper = advance(name, carry, train, valid, problem)
            return carry, as_tree(hyper)

        (inner, _, flat, _), past = jax.lax.scan(
            step, begin(name, inner, flat), length=3
        )
        return (inner, flat), past

    def stack(*trees):
        return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)

    wanted = stack(*ends), stack(*(stack(*past) for past in pasts))
    same(mapped(*stack(*seeds)), wanted)


@pytest.mark.parametrize("name", FACTORIES)
def test_a_diverged_model_shows(name):
    """Slopes without a value count as zero; NaN in the weights must not."""
    inner, outer, *batches = arrays()
    inner["w"] = inner["w"].at[0, 0].set(jnp.nan)
    _, hyper = compiled(name)(begin(name, inner, outer), *batches)
    assert np.isnan(hyper.value)
    assert any(np.isnan(leaf).any() for leaf in jax.tree.leaves(hyper.grad))


def with_both(loss):
    return hg.BilevelProblem(
        lambda *args: loss(inner_loss, *args), lambda *args: loss(outer_loss, *args)
    )


UNFIT = {
    "pair": (
        with_both(lambda loss, *args: (loss(*args), {"terms": jnp.ones(3)})),
        r"must return its value alone, one floating-point number, found "
        r"\(float64\[\], \{terms: float64\[3\]\}\)",
    ),
    "vector": (
        with_both(lambda loss, *args: loss(*args) * jnp.ones(2)),
        r"found float64\[2\]\. Take its mean or its sum",
    ),
    "nothing": (with_both(lambda loss, *args: None), "found None. Its `return` may"),
    "unused": (
        with_both(lambda loss, inner, *_: jnp.sum(inner["w"] ** 2)),
        "outer variable",
    ),
}


@pytest.mark.parametrize("name", FACTORIES)
def test_what_it_cannot_take_is_refused_in_a_sentence(name):
    """While it is traced; not deep inside of JAX."""
    inner, outer, *batches = arrays()

    def tried(inner=inner, outer=outer, problem=PROBLEM, state=None):
        carry = begin(name, *arrays()[:2])
        carry = inner, carry[1], outer, carry[3] if state is None else state
        jax.eval_shape(lambda c: estimate(name, c, *batches, problem), carry)

    # The same words for all: a few are asked for each kind of loss.
    few = (
        {} if name in ("conjugate_gradient", "unroll", "through_one_step") else {"pair"}
    )
    for problem, words in (UNFIT[kind] for kind in few or UNFIT):
        with pytest.raises(ValueError, match=words):
            tried(problem=problem)
    with pytest.raises(
        ValueError, match=r"inner\['n'\] must be an array of .* found int64\[\]"
    ):
        tried(inner=inner | {"n": jnp.array(3)})
    with pytest.raises(ValueError, match=r"outer\['gain'\] .* found int64\[3\]"):
        tried(outer=outer | {"gain": jnp.arange(3)})
    for tree in ("inner", "outer"):
        with pytest.raises(ValueError, match=f"{tree} must hold at least one array"):
            tried(**{tree: {}})
    if jax.tree.leaves(begin(name, inner, outer)[-1]):
        with pytest.raises(ValueError, match=r"Begin with `estimator\.init"):
            tried(state=())


def test_an_estimator_of_ones_own_is_compared_with_others():
    """In a file of its own: one step that is differentiated as it is written down."""
    example = hg.problems.quadratic(jax.random.key(3))
    update = hg.gradient_descent(0.1)
    exact, _ = hg.one_step_unroll().estimate(
        example.problem, (), example.point, inner_update=update
    )
    found = hg.compare(
        {"own": through_one_step(), "halved": through_one_step(0.5)},
        example.problem,
        example.point,
        exact.grad,
        inner_update=update,
    )
    assert float(found["own"].relative_error) < 1e-14
    exact_alone = hg.HypergradientEstimator(lambda *_: (), lambda *_, **__: exact)
    other = hg.HypergradientEstimator(
        lambda *_: (), lambda *_, **__: (exact._replace(grad=jnp.ones(2)), ())
    )
    for own, words in (
        (exact_alone, r"`estimate` must return a pair \(Hypergradient, state\)"),
        (other, "The estimate has another shape"),
    ):
        with pytest.raises(ValueError, match=words):
            own.estimate(example.problem, (), example.point, inner_update=update)
    missing = 0.5 * np.linalg.norm(exact.indirect) / np.linalg.norm(exact.grad)
    assert float(found["halved"].relative_error) == pytest.approx(missing, rel=1e-6)


def on_devices():
    """The estimates of all estimators with batches that are dealt out to devices."""
    inner, outer, *batches = arrays()
    mesh = jax.make_mesh((DEVICES,), ("batch",), axis_types=(AxisType.Auto,))
    dealt = jax.NamedSharding(mesh, jax.P("batch"))
    batches = jax.device_put(batches, dealt)
    assert all(len(x.sharding.device_set) == DEVICES for x in jax.tree.leaves(batches))

    @quick
    def everything(inner, outer, batches):
        return {
            name: estimate(name, begin(name, inner, outer), *batches)[0].grad
            for name in FACTORIES
        }

    return everything(inner, outer, batches)


ENTRIES = np.linspace(-1.0, 1.0, 2 * DEVICES)
ENTRYWISE = hg.BilevelProblem(
    lambda w, a, batch: jnp.sum((w[:, None] - jnp.sin(a)[None]) ** 2),
    lambda w, a, batch: jnp.sum((jnp.mean(w) - a) ** 2),
)


PAIRWISE = hg.BilevelProblem(
    lambda w, a, batch: jnp.sum((w - jnp.sin(a)[:, None]) ** 2),
    lambda w, a, batch: jnp.sum((w - a[:, None]) ** 2 + w**4),
)


def of_entries(inner, outer, problem=ENTRYWISE):
    """The estimates of all estimators of an outer variable of many entries."""

    @quick
    def everything(inner, outer):
        return {
            name: estimate(name, begin(name, inner, outer), None, None, problem)
            for name in FACTORIES
        }

    found = everything(inner, outer)
    return {name: hyper.grad for name, (hyper, *_) in found.items()}


def on_an_explicit_mesh():
    """Of an outer variable, weights or both that are dealt out to devices.

    What is not dealt out was made before the mesh was set.
    """
    mesh = jax.make_mesh((DEVICES,), ("entries",), axis_types=(AxisType.Explicit,))
    few, outer = jnp.arange(3.0), jnp.asarray(ENTRIES)
    inner = jnp.stack([outer, outer**2], axis=1)
    alone = of_entries(few, outer), of_entries(inner, outer, PAIRWISE)
    with jax.set_mesh(mesh):
        dealt = jax.NamedSharding(mesh, jax.P("entries"))
        inner_dealt, outer_dealt = jax.device_put((inner, outer), dealt)
        found = [
            of_entries(few, outer_dealt),
            of_entries(inner_dealt, outer, PAIRWISE),
            of_entries(inner, outer_dealt, PAIRWISE),
            of_entries(inner_dealt, outer_dealt, PAIRWISE),
        ]
    for some, wanted in zip(found, (alone[0], *[alone[1]] * 3), strict=True):
        for name, grad in some.items():
            np.testing.assert_allclose(
                grad, wanted[name], rtol=1e-10, atol=1e-10, err_msg=name
            )


@pytest.mark.slow
def test_eight_devices_compute_what_one_does(tmp_path):
    """On an Auto mesh of batches and on an Explicit one of ω, a or both."""
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={DEVICES}",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, __file__, tmp_path / "estimates.json"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    of_batches = json.loads((tmp_path / "estimates.json").read_text())
    assert set(of_batches) == set(FACTORIES)
    inner, outer, *batches = arrays()
    for name in FACTORIES:
        _, hyper = compiled(name)(begin(name, inner, outer), *batches)
        np.testing.assert_allclose(
            of_batches[name],
            ravel_pytree(hyper.grad)[0],
            rtol=1e-10,
            atol=1e-10,
            err_msg=name,
        )


def test_an_unknown_parameter_is_asked_for(monkeypatch):
    def young(momentum) -> hg.HypergradientEstimator:
        raise AssertionError(momentum)

    monkeypatch.setitem(FACTORIES, "young", young)
    with pytest.raises(pytest.fail.Exception, match="a small value of momentum"):
        make("young", {})


if __name__ == "__main__":
    with jax.enable_x64(True):
        on_an_explicit_mesh()
        of_batches = {
            name: ravel_pytree(jax.device_get(x))[0].tolist()
            for name, x in on_devices().items()
        }
        Path(sys.argv[1]).write_text(json.dumps(of_batches))
