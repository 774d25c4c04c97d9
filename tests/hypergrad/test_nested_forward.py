"""The gradient through three levels against a quadratic with a closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from unoptimised import quick

from autoreg_jax import hypergrad as hg

P, D, L = 6, 3, 2
pytestmark = pytest.mark.usefixtures("x64")


def drawn():
    """Symmetric positive matrices with eigenvalues in [1, 2], and the rest normal."""
    rng = np.random.default_rng(0)

    def positive(n):
        basis, _ = np.linalg.qr(rng.normal(size=(n, n)))
        return basis @ np.diag(rng.uniform(1, 2, n)) @ basis.T

    arrays = {"A": np.stack([positive(P) for _ in range(L)])}
    arrays |= {"F": positive(P), "R": positive(D), "G": positive(P)}
    shapes = {"C": (P, D), "b": (L, P), "w": (P,), "E": (D, L), "k": (D,)}
    shapes |= {"t": (P,), "S": (D, L), "o": (P,), "a": (D,)}
    return arrays | {name: rng.normal(size=shape) for name, shape in shapes.items()}


M = drawn()
LAM = np.array([0.6, 0.5])


# λ weighs the terms of the inner loss, as the weights of Eq. (4) do: ω* is not linear
# in it and the hypergradient of α depends on it through the curvature.
def inner_loss(omega, outer, batch):
    alpha, lam = outer
    terms = 0.5 * jnp.einsum("p,lpq,q->l", omega, M["A"], omega) + M["b"] @ omega
    return lam @ terms + omega @ M["C"] @ alpha


def middle_loss(omega, outer, batch):
    alpha, lam = outer
    apart = omega - M["w"]
    return 0.5 * (apart @ M["F"] @ apart + alpha @ M["R"] @ alpha) + alpha @ (
        M["E"] @ lam + M["k"]
    )


def outer_loss(omega, outer, batch):
    alpha, lam = outer
    apart = omega - M["t"]
    return 0.5 * (apart @ M["G"] @ apart + lam @ lam) + alpha @ M["S"] @ lam


PROBLEM = hg.ThreeLevelProblem(inner_loss, middle_loss, outer_loss)


def curvature(lam):
    return jnp.einsum("l,lpq->pq", lam, M["A"])


def omega_star(alpha, lam):
    return -jnp.linalg.solve(curvature(lam), M["C"] @ alpha + lam @ M["b"])


def alpha_star(lam):
    """Root of (PᵀFP + R) α + PᵀF(ω*(0) − w) + Eλ + k, P = ∂ω*/∂α."""
    slope = -jnp.linalg.solve(curvature(lam), M["C"])
    rest = omega_star(jnp.zeros(D), lam) - M["w"]
    right = slope.T @ M["F"] @ rest + M["E"] @ lam + M["k"]
    return -jnp.linalg.solve(slope.T @ M["F"] @ slope + M["R"], right)


@quick
def closed_form(lam):
    """All of dL_s/dλ, and the part that a fixed α leaves of it."""
    alpha = alpha_star(lam)
    omega = omega_star(alpha, lam)
    along_omega = jax.grad(outer_loss)(omega, (alpha, lam), None)
    along_alpha, direct = jax.grad(outer_loss, 1)(omega, (alpha, lam), None)
    slope = jax.jacobian(alpha_star)(lam)
    by_alpha, by_lam = jax.jacobian(omega_star, (0, 1))(alpha, lam)
    frozen = direct + by_lam.T @ along_omega
    whole = frozen + slope.T @ (along_alpha + by_alpha.T @ along_omega)
    return whole, frozen


def run(start=None, **settings):
    start = (M["o"], M["a"]) if start is None else start

    def call(omega, alpha, lam):
        point = omega, alpha, lam
        return hg.nested_forward(PROBLEM, point, (None, None, None), **settings)

    return quick(call)(*start, LAM)


def relative(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


ESTIMATORS = {
    "conjugate_gradient": hg.conjugate_gradient(P),
    "nystrom": hg.nystrom(P, 1e-9),
    "warm_started": hg.warm_started_linear_system(3, 0.5),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_many_rounds_reach_the_closed_form(name):
    hyper = run(
        estimator=ESTIMATORS[name],
        inner_update=hg.gradient_descent(0.5),
        middle_update=hg.gradient_descent(0.1),
        steps=300,
        inner_steps=4,
    )
    whole, frozen = closed_form(LAM)
    # The losses of this problem are such that the path through α matters.
    assert relative(frozen, whole) > 0.3
    assert relative(hyper.grad, whole) < 1e-8
    assert relative(hyper.direct + hyper.indirect, whole) < 1e-8


def test_few_rounds_are_the_gradient_through_the_loop():
    moving = optax.sgd(0.2, momentum=0.9)
    adam = optax.adam(0.1, eps_root=1e-8)
    start = M["o"], M["a"]

    def loop(lam):
        omega, alpha = map(jnp.asarray, start)
        omega_state, alpha_state = moving.init(omega), adam.init(alpha)
        for _ in range(3):

            def ahead(a, omega=omega, state=omega_state):
                slope = jax.grad(inner_loss)(omega, (a, lam), None)
                updates, _ = moving.update(slope, state, omega)
                return middle_loss(omega + updates, (a, lam), None)

            updates, alpha_state = adam.update(jax.grad(ahead)(alpha), alpha_state)
            alpha = alpha + updates
            for _ in range(2):
                slope = jax.grad(inner_loss)(omega, (alpha, lam), None)
                updates, omega_state = moving.update(slope, omega_state, omega)
                omega = omega + updates
        return outer_loss(omega, (alpha, lam), None), (omega, alpha)

    (value, _), wanted = quick(jax.value_and_grad(loop, has_aux=True))(LAM)
    hyper = run(
        estimator=hg.one_step_unroll(),
        inner_update=hg.from_optax(moving, moving.init(jnp.asarray(start[0]))),
        middle_update=hg.from_optax(adam, adam.init(jnp.asarray(start[1]))),
        steps=3,
        inner_steps=2,
    )
    assert relative(hyper.grad, wanted) < 1e-11
    assert float(hyper.value) == pytest.approx(float(value), rel=1e-12)
    parts = hyper.diagnostics["through_omega"] + hyper.diagnostics["through_alpha"]
    assert relative(parts, hyper.indirect) < 1e-13
    assert np.linalg.norm(hyper.diagnostics["through_alpha"]) > 0


def test_a_fixed_alpha_leaves_the_two_levels_of_forward_mode():
    alpha = quick(alpha_star)(LAM)
    update = hg.gradient_descent(0.5)
    settings = {"estimator": hg.one_step_unroll(), "inner_update": update}
    hyper = run(
        (M["o"], alpha),
        middle_update=lambda alpha, gradient: alpha,
        steps=30,
        inner_steps=2,
        **settings,
    )
    two_levels = hg.BilevelProblem(
        lambda omega, lam, batch: inner_loss(omega, (alpha, lam), batch),
        lambda omega, lam, batch: outer_loss(omega, (alpha, lam), batch),
    )
    wanted, _ = quick(
        lambda omega, lam: hg.forward_mode(60).estimate(
            two_levels, (), hg.Point(omega, lam), inner_update=update
        )
    )(M["o"], LAM)
    assert relative(hyper.grad, wanted.grad) < 1e-13
    assert relative(hyper.direct, wanted.direct) < 1e-13
    # At α* itself: what differs from the whole gradient is the path alone.
    whole, frozen = closed_form(LAM)
    assert relative(hyper.grad, frozen) < 1e-8
    assert relative(hyper.grad, whole) > 0.3


def test_a_dead_unit_under_fresh_adam_is_finite():
    problem = hg.ThreeLevelProblem(
        lambda o, outer, b: outer[1][0] * outer[0][0] * o[0] ** 2 + 0.0 * o[1],
        lambda o, outer, b: jnp.sum((o - outer[0][0]) ** 2),
        lambda o, outer, b: jnp.sum((o - 1) ** 2),
    )
    adam = optax.adam(0.1)

    @quick
    def found(omega, alpha, lam):
        return hg.nested_forward(
            problem,
            (omega, alpha, lam),
            (None, None, None),
            estimator=hg.t1t2(0.1),
            inner_update=hg.from_optax(adam, adam.init(omega)),
            middle_update=hg.gradient_descent(0.1),
            steps=2,
        )

    hyper = found(np.array([0.5, -0.3]), np.array([0.7]), np.array([1.2]))
    assert np.isfinite(hyper.grad).all()
    assert np.abs(hyper.grad).max() > 0


def test_counts_of_steps_must_be_positive():
    for counts in ({"steps": 0}, {"steps": 1, "inner_steps": 0}):
        with pytest.raises(ValueError, match="must be positive"):
            run(
                estimator=hg.t1t2(),
                inner_update=hg.gradient_descent(0.1),
                middle_update=hg.gradient_descent(0.1),
                **counts,
            )
