"""Both one-step estimators on a quadratic whose hypergradient is known."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from unoptimised import quick

from autoreg_jax import hypergrad

ESTIMATORS = {
    "one_step_unroll": hypergrad.one_step_unroll(),
    "finite_difference": hypergrad.finite_difference(1e-2),
    "finite_difference_unnormalised": hypergrad.finite_difference(
        1e-2, normalise=False
    ),
}
RATE = 0.05


def quadratic(p=20, d=5):
    """L_t = ½ωᵀAω + ωᵀCa + bᵀω and L_v = ½(ω−w)ᵀF(ω−w) + ½ρ‖a‖² + kᵀa."""
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.normal(size=(p, p)))
    a_matrix = basis @ np.diag(np.linspace(1, 10, p)) @ basis.T
    c, b, w, k = (rng.normal(size=s) for s in ((p, d), p, p, d))
    f = np.diag(rng.uniform(0.5, 2, p))
    m = {"A": a_matrix, "C": c, "b": b, "F": f, "w": w, "k": k}

    def inner_loss(omega, outer, batch):
        o, a = omega["w"], jnp.concatenate([outer["x"], outer["y"]])
        return 0.5 * o @ m["A"] @ o + o @ m["C"] @ a + m["b"] @ o + 0 * batch

    def outer_loss(omega, outer, batch):
        o, a = omega["w"] - m["w"], jnp.concatenate([outer["x"], outer["y"]])
        return 0.5 * o @ m["F"] @ o + 0.15 * a @ a + m["k"] @ a + 0 * batch

    omega, a = rng.normal(size=p), rng.normal(size=d)
    stepped = omega - RATE * (a_matrix @ omega + c @ a + b)
    direct = 0.3 * a + k
    indirect = -RATE * c.T @ f @ (stepped - w)
    problem = hypergrad.BilevelProblem(inner_loss, outer_loss)
    return problem, {"w": omega}, {"x": a[:2], "y": a[2:]}, direct, indirect


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_quadratic(name):
    problem, omega, outer, direct, indirect = quadratic()
    estimator = ESTIMATORS[name]

    def run(omega, outer):
        return estimator.estimate(
            problem,
            estimator.init(omega, outer),
            hypergrad.Point(omega, outer, jnp.zeros(()), jnp.zeros(())),
            inner_update=hypergrad.gradient_descent(RATE),
        )[0]

    hyper = quick(run)(omega, outer)
    assert jax.tree.structure(hyper.grad) == jax.tree.structure(outer)
    for part, expected in (("direct", direct), ("indirect", indirect)):
        got = np.concatenate([getattr(hyper, part)[key] for key in ("x", "y")])
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-11)
    total = np.concatenate([hyper.grad[key] for key in ("x", "y")])
    np.testing.assert_allclose(total, direct + indirect, rtol=1e-11, atol=1e-11)


def curved(omega, outer, batch):
    """A smooth loss that is quadratic in nothing."""
    hidden = jnp.tanh(batch @ omega["w"])
    return jnp.mean(jnp.logaddexp(0.0, hidden @ jnp.exp(outer)))


def curved_case():
    rng = np.random.default_rng(2)
    omega, outer = {"w": rng.normal(size=(4, 3))}, rng.normal(size=3)
    point = hypergrad.Point(omega, outer, *rng.normal(size=(2, 6, 4)))
    return hypergrad.BilevelProblem(curved, curved), point


OPTIMIZERS = {
    "sgd": optax.sgd(0.3),
    "nesterov": optax.sgd(0.3, momentum=0.9, nesterov=True),
    "adam": optax.adam(0.1, eps_root=1e-8),
    "clipped_adamw": optax.chain(
        optax.clip_by_global_norm(0.05), optax.adamw(0.1, eps_root=1e-8)
    ),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_step_unroll_is_the_gradient_through_the_whole_update(name):
    problem, point = curved_case()
    optimizer, estimator = OPTIMIZERS[name], hypergrad.one_step_unroll()

    @quick
    def both(point):
        omega, outer, train, valid = point
        state = optimizer.init(omega)
        for shift in (0.0, 0.1):  # moments that are not those of a fresh state
            gradient = jax.grad(curved)(omega, outer + shift, train)
            _, state = optimizer.update(gradient, state, omega)
        update = hypergrad.from_optax(optimizer, state)

        def after_one_step(outer):
            stepped = update(omega, jax.grad(curved)(omega, outer, train))
            return curved(stepped, outer, valid)

        hyper, _ = estimator.estimate(problem, (), point, inner_update=update)
        return hyper, *jax.value_and_grad(after_one_step)(outer)

    hyper, value, gradient = both(point)
    np.testing.assert_allclose(hyper.grad, gradient, rtol=1e-12)
    np.testing.assert_allclose(hyper.value, value, rtol=1e-12)
    assert np.linalg.norm(hyper.indirect) > 1e-6


@pytest.mark.usefixtures("x64")
def test_finite_difference_converges_with_the_square_of_its_radius():
    problem, point = curved_case()
    settings = {"inner_update": hypergrad.gradient_descent(0.3)}
    args = (problem, (), point)
    radii = np.array([1e-3, 1e-2, 1e-1])
    estimators = [
        hypergrad.one_step_unroll(), *map(hypergrad.finite_difference, radii)
    ]  # fmt: skip
    exact, *found = quick(
        lambda: [one.estimate(*args, **settings)[0].indirect for one in estimators]
    )()
    errors = [np.linalg.norm(indirect - exact) for indirect in np.asarray(found)]
    slope = np.polyfit(np.log(radii), np.log(errors), 1)[0]
    assert 1.9 < slope < 2.1


def test_a_vanishing_outer_gradient_is_finite():
    problem = hypergrad.BilevelProblem(
        lambda omega, outer, batch: jnp.sum(omega**2) * outer,
        lambda omega, outer, batch: 0.0 * jnp.sum(omega) + outer**2,
    )
    point = hypergrad.Point(np.ones(3, np.float32), np.float32(2.0))
    update = {"inner_update": hypergrad.gradient_descent(0.1)}
    for estimator in ESTIMATORS.values():
        estimate = partial(estimator.estimate, problem, (), **update)
        hyper, _ = quick(estimate)(point)
        np.testing.assert_allclose(hyper.grad, 4.0)
        assert float(hyper.indirect) == 0.0


@pytest.mark.parametrize("radius", [0.0, -1.0])
def test_a_radius_that_is_not_positive_is_refused(radius):
    with pytest.raises(ValueError, match="radius must be positive"):
        hypergrad.finite_difference(radius)
    with pytest.raises(ValueError, match="learning_rate must be positive"):
        hypergrad.gradient_descent(radius)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_one_loss_in_both_levels_is_evaluated_in_one_loop_to_the_same_end(name):
    problem, point = curved_case()
    apart = problem._replace(outer_loss=lambda *args: curved(*args))
    settings = {"inner_update": hypergrad.gradient_descent(0.3)}
    estimator = ESTIMATORS[name]
    ours, theirs = quick(
        lambda point: [
            estimator.estimate(one, (), point, **settings)[0]
            for one in (problem, apart)
        ]
    )(point)
    for a, b in zip(ours[:4], theirs[:4], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
