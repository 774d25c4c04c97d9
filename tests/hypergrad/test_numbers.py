"""Numbers of any factory may be traced, weights may be of any floating-point type."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from unoptimised import quick

from autoreg_jax import hypergrad as hg

pytestmark = pytest.mark.usefixtures("x64")

NUMBERS = {
    "damping": (0.5, 2.0),
    "learning_rate": (0.1, 0.3),
    "penalty": (10.0, 30.0),
    "radius": (0.1, 0.5),
    "sigma": (0.1, 0.5),
    "size": (0.5, 2.0),
}
COUNTS = {"iterations": 2, "pairs": 3, "rank": 3, "steps": 3, "terms": 2}
SOLVERS = {"solve": lambda operator, v, state: hg.LinearSolution(v, state, {})}
OPTIMIZER = optax.sgd(0.1, momentum=0.9)


def factories(kind):
    return {
        name: factory
        for name in hg.__all__
        if inspect.isfunction(factory := getattr(hg, name))
        and inspect.get_annotations(factory, eval_str=True).get("return") is kind
    }


ESTIMATORS = factories(hg.HypergradientEstimator)
MAKERS = ESTIMATORS | {
    "central_difference": lambda radius: hg.one_step_unroll(
        mixed=hg.central_difference(radius)
    ),
    "gradient_descent": lambda learning_rate: hg.one_step_unroll(),
}
PLACES = [
    (name, parameter)
    for name, factory in MAKERS.items()
    for parameter in inspect.signature(factory).parameters
    if parameter in NUMBERS
]


def make(name, **numbers):
    known = inspect.signature(MAKERS[name]).parameters
    values = COUNTS | SOLVERS | {key: pair[0] for key, pair in NUMBERS.items()}
    values |= numbers
    return MAKERS[name](**{key: values[key] for key in known if key in values})


def inner_loss(omega, a, batch):
    flat = ravel_pytree(omega)[0]
    slope = jnp.sin(a.astype(flat.dtype)) @ jnp.sinh(flat[:2])
    return jnp.sum(jnp.cosh(flat)) + slope


def outer_loss(omega, a, batch):
    flat = ravel_pytree(omega)[0]
    return jnp.sum((flat - 1) ** 2) + 0.1 * jnp.sum(a**2).astype(flat.dtype)


PROBLEM = hg.BilevelProblem(inner_loss, outer_loss)


def gradient(name, omega, a, **numbers):
    update = hg.from_optax(OPTIMIZER, OPTIMIZER.init(omega))
    if name == "gradient_descent":
        update = hg.gradient_descent(**numbers)
    estimator = make(name, **numbers)
    if name == "online_forward_mode":
        estimator = hg.online_forward_mode(OPTIMIZER.init(omega))
    if name == "unbiased_online_recurrent_optimisation":
        estimator = getattr(hg, name)(OPTIMIZER.init(omega), **numbers)
    if name in ("persistent_evolution_strategies", "noise_reuse_evolution_strategies"):
        estimator = getattr(hg, name)(
            COUNTS["pairs"],
            numbers.get("sigma", NUMBERS["sigma"][0]),
            COUNTS["steps"],
            optimizer_state=OPTIMIZER.init(omega),
        )
    state = estimator.init(omega, a)
    point = hg.Point(omega, a)
    hyper, after = estimator.estimate(PROBLEM, state, point, inner_update=update)
    types = [
        jax.tree.map(lambda x: jnp.asarray(x).dtype, tree)
        for tree in (state, after, a, hyper.grad)
    ]
    assert types[0] == types[1]
    assert types[2] == types[3]
    return hyper.grad


POINT = np.array([0.3, -0.5, 0.8]), np.array([0.4, -0.2])


def test_no_number_has_to_be_known_while_a_program_is_traced():
    """A factory that says `float` would compare it; and the table has them all."""
    assert len(PLACES) >= 11
    for name, factory in (ESTIMATORS | factories(hg.InnerUpdate)).items():
        for parameter in inspect.signature(factory, eval_str=True).parameters.values():
            assert parameter.annotation is not float, f"{name}({parameter})"


@pytest.mark.parametrize(
    "places",
    [PLACES[::2], pytest.param(PLACES[1::2], marks=pytest.mark.slow)],
    ids=["one half", "other half"],
)
def test_a_traced_number_is_a_number_and_may_be_mapped_over(places):
    """Arrays in double precision, which must not make ω in single precision wider."""
    omega, a = (jnp.asarray(x, jnp.float32) for x in POINT)

    @quick
    def everything(omega, a, columns):
        found = {}
        for name, key in places:
            at = functools.partial(gradient, name, omega, a)
            mapped = jax.vmap(lambda x, at=at, key=key: at(**{key: x}))(columns[key])
            found[f"{name}({key})"] = mapped, at(**{key: NUMBERS[key][0]})
        return found

    columns = {key: jnp.array(pair) for key, pair in NUMBERS.items()}
    assert {column.dtype for column in columns.values()} == {jnp.dtype("float64")}
    for place, ((mapped, other), known) in everything(omega, a, columns).items():
        assert mapped.dtype == np.float32
        scale = np.abs(known).max()
        assert np.abs(mapped - known).max() < 1e-4 * scale, place
        assert np.abs(other - known).max() > 1e-3 * scale, place


BY_DIFFERENCES = {"finite_difference", "preconditioned_identity"}
NARROW = sorted(set(ESTIMATORS) - {"first_order"} - BY_DIFFERENCES)
HALF = jnp.asarray(POINT[0], jnp.bfloat16)
SPLIT = {"first": jnp.asarray(POINT[0][:1], jnp.float32), "second": HALF[1:]}


@pytest.mark.parametrize(
    "names",
    [NARROW[::2], pytest.param(NARROW[1::2], marks=pytest.mark.slow)],
    ids=["one half", "other half"],
)
def test_weights_in_half_precision(names):
    """They work beside a and numbers in double precision."""
    omega, a = map(jnp.asarray, POINT)
    estimates = quick(
        lambda omega, a: {name: gradient(name, omega, a) for name in names}
    )
    wide, found = estimates(omega, a), estimates(HALF, a)
    for name in names:
        # A difference of two losses in half precision is mostly rounding.
        bound = 1.0 if "strategies" in name else 0.05
        miss = np.linalg.norm(found[name] - wide[name]) / np.linalg.norm(wide[name])
        assert miss < bound, (name, miss)


def test_weights_of_several_types_keep_them():
    """As states and estimates do, see `gradient`."""
    a = jnp.asarray(POINT[1])
    for name in NARROW[::3]:
        jax.eval_shape(functools.partial(gradient, name), SPLIT, a)
    for omega in (HALF, SPLIT):
        with pytest.raises(ValueError, match="float32 or float64 weights"):
            jax.eval_shape(functools.partial(gradient, "finite_difference"), omega, a)


@pytest.mark.parametrize(
    "names",
    [
        sorted(ESTIMATORS)[::2],
        pytest.param(sorted(ESTIMATORS)[1::2], marks=pytest.mark.slow),
    ],
    ids=["one half", "other half"],
)
def test_nothing_is_promoted_by_itself(names):
    """In single precision, while the default is double; `gradient` compares types."""
    omega, a = (jnp.asarray(x, jnp.float32) for x in POINT)
    with jax.numpy_dtype_promotion("strict"):
        for name in names:
            found = jax.eval_shape(functools.partial(gradient, name), omega, a)
            assert found.dtype == np.float32, name


def test_a_random_product_needs_the_state_of_the_optimizer():
    omega, a = map(jnp.asarray, POINT[:2])
    estimator = hg.unbiased_online_recurrent_optimisation()
    update = hg.from_optax(OPTIMIZER, OPTIMIZER.init(omega))
    with pytest.raises(ValueError, match=r"keeps 1 arrays of floats, .* has 0; give"):
        estimator.estimate(
            PROBLEM, estimator.init(omega, a), hg.Point(omega, a), inner_update=update
        )


@pytest.mark.parametrize("number", [0.0, -1.0, np.nan, np.float32(-1), jnp.zeros(())])
def test_a_number_that_is_known_is_checked_inside_of_a_program_too(number):
    for name, key in PLACES:
        factory = getattr(hg, name)
        values = COUNTS | {k: pair[0] for k, pair in NUMBERS.items()} | {key: number}
        known = inspect.signature(factory).parameters
        make_it = functools.partial(
            factory, **{k: values[k] for k in known if k in values}
        )
        if key == "damping" and "nystrom" not in name and not number:
            make_it()
            continue
        for run in (make_it, lambda f=make_it: jax.eval_shape(lambda: (f(), 0)[1])):
            with pytest.raises(
                ValueError, match=f"{key} must (not )?be (posi|nega)tive"
            ):
                run()


def test_several_numbers_and_traced_counts_are_refused():
    with pytest.raises(ValueError, match="one number, got an array of shape"):
        hg.t1t2(jnp.ones(3))
    with pytest.raises(ValueError, match="steps must be a whole number that is known"):
        jax.eval_shape(lambda n: (hg.unroll(n), n)[1], 3)
