"""The differentiable argmin against the closed form of ridge regression."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from unoptimised import quick

from autoreg_jax import hypergrad as hg

pytestmark = pytest.mark.usefixtures("x64")

SIZE = 4
RNG = np.random.default_rng(0)
OUTER = {"penalty": RNG.normal(size=SIZE), "shift": np.array(0.3)}
BATCH = {
    "x": RNG.normal(size=(9, SIZE)),
    "y": RNG.normal(size=9),
    "rows": np.array([0, 1, 2, 3, 5, 8]),
}
WEIGHTS = RNG.normal(size=SIZE)


def loss(omega, outer, batch):
    x, y = batch["x"][batch["rows"]], batch["y"][batch["rows"]]
    residual = x @ omega["w"] - y - outer["shift"]
    return 0.5 * residual @ residual + 0.5 * jnp.exp(outer["penalty"]) @ omega["w"] ** 2


def closed_form(outer, batch):
    x, y = batch["x"][batch["rows"]], batch["y"][batch["rows"]]
    matrix = x.T @ x + jnp.diag(jnp.exp(outer["penalty"]))
    return {"w": jnp.linalg.solve(matrix, x.T @ (y + outer["shift"]))}


ESTIMATORS = {
    "conjugate_gradient": hg.conjugate_gradient(2 * SIZE),
    "full_hessian": hg.full_hessian(),
    "neumann": hg.neumann(800, 0.05),
}


def given(dtype):
    def of(tree):
        return jax.tree.map(
            lambda x: jnp.asarray(x, dtype if x.dtype == np.float64 else None), tree
        )

    return of(OUTER), of(BATCH)


def curved(minimum, outer, batch):
    """A function of ω* that is not linear."""
    omega = minimum(outer, batch)["w"]
    return jnp.sum(jnp.sin(omega) * WEIGHTS.astype(omega.dtype))


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-8), ("float32", 1e-4)])
def test_gradients_in_the_outer_variable_and_the_data(dtype, bound):
    """By every solver of linear systems; whole numbers have no derivative."""

    def gradient(minimum):
        slope = jax.grad(
            lambda outer, floats, batch: curved(minimum, outer, batch | floats),
            argnums=(0, 1),
        )

        def of(outer, batch):
            return slope(outer, {key: batch[key] for key in "xy"}, batch)

        return of

    # Its damping is a bias; the rest of rounding is divided by it.
    nystrom = hg.nystrom(SIZE, 1e-10 if dtype == "float64" else 1e-6)

    @quick
    def everything(outer, batch):
        found = {
            name: gradient(hg.argmin(loss, lambda _, *args: closed_form(*args), one))(
                outer, batch
            )
            for name, one in {**ESTIMATORS, "nystrom": nystrom}.items()
        }
        return found, gradient(closed_form)(outer, batch)

    found, wanted = everything(*given(dtype))
    for name, slopes in found.items():
        for a, b in zip(jax.tree.leaves(slopes), jax.tree.leaves(wanted), strict=True):
            assert a.dtype == dtype
            miss = np.linalg.norm(a - b) / np.linalg.norm(b)
            assert miss < bound, (name, miss)


def test_a_descent_step_as_a_map_has_the_derivatives_of_its_minimum():
    """By each estimator for maps, with whole numbers in the batch; the closed form."""
    estimators = (
        hg.generalised_minimal_residual(2 * SIZE),
        hg.neumann(800, 1.0),
    )

    def descent_step(omega, outer, batch):
        slope = jax.grad(loss)(omega, outer, batch)
        return optax.tree.add_scale(omega, -0.05, slope)

    def slopes(minimum, outer, batch):
        def value(outer, floats):
            return curved(minimum, outer, batch | floats)

        return jax.grad(value, (0, 1))(outer, {key: batch[key] for key in "xy"})

    @quick
    def everything(outer, batch):
        solver = hg.repeated(400, {"w": jnp.zeros(SIZE)})
        found = [
            slopes(hg.fixed_point(descent_step, solver, one), outer, batch)
            for one in estimators
        ]
        minimum = hg.argmin(
            loss, lambda _, *args: closed_form(*args), hg.full_hessian()
        )
        return found, slopes(minimum, outer, batch)

    found, wanted = everything(*given("float64"))
    for one in found:
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)


def test_the_fixed_point_of_a_map_that_descends_on_nothing():
    """Along a direction, against differences; the second derivative, too."""
    rng = np.random.default_rng(3)
    # A contraction, whose derivative is not symmetric.
    weights, given = 0.2 * rng.normal(size=(SIZE, SIZE)), rng.normal(size=SIZE)
    assert np.linalg.norm(weights, 2) < 1
    assert np.linalg.norm(weights - weights.T) > 0.3

    def layer(omega, outer, batch):
        return jnp.tanh(weights @ omega + outer * batch)

    def value(minimum, outer):
        return jnp.sum(jnp.sin(minimum(outer, jnp.asarray(given))) * WEIGHTS)

    minimum = hg.fixed_point(
        layer,
        hg.repeated(200, jnp.zeros(SIZE)),
        hg.generalised_minimal_residual(SIZE),
    )
    step, outer = 1e-4, jnp.linspace(0.5, 1.5, SIZE)
    along = jnp.array([0.6, -0.2, 0.3, 0.7])

    @quick
    def everything(outer):
        slope = jax.grad(lambda a: value(minimum, a))
        probes = jnp.stack([outer, outer + step * along, outer - step * along])
        return (
            jax.lax.map(lambda a: value(minimum, a), probes),
            jax.lax.map(slope, probes),
            jax.grad(lambda a: slope(a) @ along)(outer),
        )

    values, slopes, second = everything(outer)
    difference = (values[1] - values[2]) / (2 * step)
    np.testing.assert_allclose(slopes[0] @ along, difference, rtol=1e-7)
    curvature = (slopes[1] - slopes[2]) / (2 * step)
    np.testing.assert_allclose(second, curvature, rtol=1e-5, atol=1e-8)


def test_second_derivatives_steps_and_maps():
    """The Hessian of a function of ω*; ω* by descent; a batch of outer variables."""
    solver = hg.descent_solver(
        hg.from_optax(optax.sgd(0.05), optax.sgd(0.05).init(None)),
        500,
        {"w": jnp.zeros(SIZE)},
    )
    minimum = hg.argmin(loss, solver, hg.full_hessian())
    outer, batch = given("float64")

    def facts(of, p):
        def value(p):
            return curved(of, outer | {"penalty": p}, batch)

        slope = jax.grad(value)
        hessian = jax.jacrev(slope)(p)
        return of(outer, batch)["w"], hessian, jax.vmap(slope)(jnp.stack([p, p + 0.1]))

    @quick
    def both(p):
        return facts(minimum, p), facts(closed_form, p)

    found, wanted = both(outer["penalty"])
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)


def test_three_levels_by_an_argmin_inside_of_an_estimator():
    """A bilevel problem whose inner loss has the minimiser of a third one in it."""
    lowest = hg.argmin(
        lambda w, a, b: 0.5 * a["scale"] * w**2 - w * b,
        lambda _, a, b: b / a["scale"],
        hg.conjugate_gradient(1),
    )
    problem = hg.BilevelProblem(
        lambda o, a, b: 0.5 * (o - lowest(a, 2.0)) ** 2, lambda o, a, b: o**3
    )
    a = {"scale": jnp.array(0.8)}
    slope = quick(jax.grad(lambda a: problem.inner_loss(1.0, a, None)))(a)["scale"]
    # d/ds ½(1 − 2/s)² = (1 − 2/s) 2/s².
    np.testing.assert_allclose(slope, (1 - 2 / 0.8) * 2 / 0.8**2, rtol=1e-12)


SOLVERS = {
    "conjugate_gradient": hg.conjugate_gradient(1),
    "full_hessian": hg.full_hessian(),
    "generalised_minimal_residual": hg.generalised_minimal_residual(1),
}


@pytest.mark.parametrize("name", SOLVERS)
def test_numbers_of_python_keep_double_precision(name):
    """Under a trace their type is weak, and yields to a type that is named."""

    def minimum(a):  # ω* = b / a
        solver = SOLVERS[name]
        own = hg.argmin(
            lambda w, a, b: 0.5 * a * w**2 - w * b, lambda _, a, b: b / a, solver
        )
        return own(a, 2.0)

    assert float(quick(jax.grad(minimum))(0.7)) == pytest.approx(-2 / 0.49, rel=1e-14)


def test_an_estimator_that_takes_steps_is_refused():
    minimum = hg.argmin(loss, lambda _, *args: closed_form(*args), hg.unroll(3))
    outer, batch = given("float64")
    with pytest.raises(ValueError, match="take no inner steps in the pullback"):
        jax.grad(functools.partial(curved, minimum))(outer, batch)
