"""Every estimator against the closed form of one quadratic bilevel problem."""

import copy
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from unoptimised import quick

from autoreg_jax import hypergrad as hg

P, D, RATE = 20, 5, 0.05
pytestmark = pytest.mark.usefixtures("x64")


class Quadratic:
    """L_t = ½ωᵀAω + ωᵀCa + bᵀω and L_v = ½(ω−w)ᵀF(ω−w) + ½ρ‖a‖² + kᵀa."""

    def __init__(self, condition=10.0):
        rng = np.random.default_rng(0)
        basis, _ = np.linalg.qr(rng.normal(size=(P, P)))
        self.A = basis @ np.diag(np.linspace(1, condition, P)) @ basis.T
        self.C, self.b, self.w = (rng.normal(size=s) for s in ((P, D), P, P))
        self.F, self.k = np.diag(rng.uniform(0.5, 2, P)), rng.normal(size=D)
        self.omega, self.a = rng.normal(size=P), rng.normal(size=D)
        self.direct = 0.3 * self.a + self.k

    def inner_loss(self, omega, a, batch):
        return 0.5 * omega @ self.A @ omega + omega @ self.C @ a + self.b @ omega

    def loss_of_omega(self, omega, a, batch):
        o = omega - self.w
        return 0.5 * o @ self.F @ o

    def outer_loss(self, omega, a, batch):
        return self.loss_of_omega(omega, a, batch) + 0.15 * a @ a + self.k @ a

    def step(self, omega):
        return omega - RATE * (self.A @ omega + self.C @ self.a + self.b)

    def cotangent(self, omega):
        return self.F @ (omega - self.w)

    def solution(self):
        return -np.linalg.solve(self.A, self.C @ self.a + self.b)

    def unrolled(self, steps, truncate=None):
        omega = self.omega
        for _ in range(steps):
            omega = self.step(omega)
        p, h = self.cotangent(omega), 0.0
        for _ in range(truncate or steps):
            h = h - RATE * self.C.T @ p
            p = p - RATE * self.A @ p
        return self.direct + h

    def implicit(self, omega):
        return self.direct - self.C.T @ np.linalg.solve(self.A, self.cotangent(omega))

    def neumann(self, omega, terms):
        v = self.cotangent(omega)
        z = np.zeros(P)
        for _ in range(terms + 1):
            z, v = z + RATE * v, v - RATE * self.A @ v
        return self.direct - self.C.T @ z

    def conjugate_gradient(self, omega, iterations):
        r = self.cotangent(omega)
        z, p = np.zeros(P), r
        for _ in range(iterations):
            product = self.A @ p
            step = r @ r / (p @ product)
            z, after = z + step * p, r - step * product
            p, r = after + (after @ after) / (r @ r) * p, after
        return self.direct - self.C.T @ z

    def minimal_residual(self, omega, iterations):
        """By least squares in an orthonormal basis of the Krylov space."""
        v = self.cotangent(omega)
        basis = np.zeros((P, 0))
        for _ in range(iterations):
            column = self.A @ basis[:, -1] if basis.size else v
            for _ in range(2):
                column = column - basis @ (basis.T @ column)
            basis = np.column_stack([basis, column / np.linalg.norm(column)])
        shares = np.linalg.lstsq(self.A @ basis, v)[0]
        return self.direct - self.C.T @ basis @ shares


Q = Quadratic()


def run(estimator, q=Q, omega=None, update=None, state=None):
    omega = jnp.asarray(q.omega if omega is None else omega)
    state = estimator.init(omega, jnp.asarray(q.a)) if state is None else state
    return quick(lambda s, o: at(estimator, q, s, o, update))(state, omega)


def at(estimator, q, state, omega, update=None):
    problem = hg.BilevelProblem(q.inner_loss, q.outer_loss)
    update = update or hg.gradient_descent(RATE)
    point = hg.Point(omega, jnp.asarray(q.a))
    return estimator.estimate(problem, state, point, inner_update=update)


def run_often(estimator, calls):
    """The estimates of calls that carry the state on, each leaf with a leading axis."""
    omega = jnp.asarray(Q.omega)

    @quick
    def calling(state):
        def body(state, _):
            hyper, state = at(estimator, Q, state, omega)
            return state, hyper

        return jax.lax.scan(body, state, length=calls)[1]

    return calling(estimator.init(omega, jnp.asarray(Q.a)))


OPTIMUM = Q.solution()
CASES = {
    "first_order": (hg.first_order(), Q.direct, 1e-13),
    "one_step": (hg.one_step_unroll(), Q.unrolled(1), 1e-13),
    "one_step_reverse_over_forward": (
        hg.one_step_unroll(mixed=hg.reverse_over_forward),
        Q.unrolled(1),
        1e-13,
    ),
    "finite_difference": (hg.finite_difference(), Q.unrolled(1), 1e-11),
    "unroll": (hg.unroll(10), Q.unrolled(10), 1e-13),
    "unroll_kept": (hg.unroll(10, rematerialise=False), Q.unrolled(10), 1e-13),
    "unroll_truncated": (hg.unroll(10, truncate=3), Q.unrolled(10, 3), 1e-13),
    "unroll_difference": (
        hg.unroll(10, mixed=hg.central_difference()),
        Q.unrolled(10),
        1e-11,
    ),
    "forward_mode": (hg.forward_mode(10), Q.unrolled(10), 1e-13),
    "t1t2": (hg.t1t2(RATE), Q.neumann(Q.omega, 0), 1e-13),
    "preconditioned_identity": (
        hg.preconditioned_identity(mixed=hg.forward_over_reverse),
        Q.neumann(Q.omega, 0),
        1e-13,
    ),
    "neumann_20": (hg.neumann(20, RATE), Q.neumann(Q.omega, 20), 1e-13),
    "cg_1": (hg.conjugate_gradient(1), Q.conjugate_gradient(Q.omega, 1), 1e-12),
    "cg_5": (hg.conjugate_gradient(5), Q.conjugate_gradient(Q.omega, 5), 1e-12),
    "minimal_residual_5": (
        hg.minimal_residual(5),
        Q.minimal_residual(Q.omega, 5),
        1e-12,
    ),
    "generalised_minimal_residual_5": (
        hg.generalised_minimal_residual(5),
        Q.minimal_residual(Q.omega, 5),
        1e-12,
    ),
    "warm": (
        hg.warm_started_linear_system(21, RATE),
        Q.neumann(Q.omega, 20),
        1e-13,
    ),
}
AT_OPTIMUM = {
    "neumann_200": (hg.neumann(200, 0.1), 1e-5),  # the rate 1/L
    "cg_p": (hg.conjugate_gradient(P), 1e-10),
    "minimal_residual_p": (hg.minimal_residual(P), 1e-10),
    "generalised_minimal_residual_p": (hg.generalised_minimal_residual(P), 1e-12),
    "nystrom_p": (hg.nystrom(P, 1e-8), 1e-5),
    "full_hessian": (hg.full_hessian(), 1e-13),
}


def relative(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


def program(dtype, q, estimators):
    """All estimators at once, of losses whose numbers have the given type."""
    q = copy.copy(q)
    vars(q).update({name: value.astype(dtype) for name, value in vars(q).items()})
    problem = hg.BilevelProblem(q.inner_loss, q.outer_loss)
    settings = {"inner_update": hg.gradient_descent(RATE)}

    def everything(omega, a):
        return {
            name: estimator.estimate(
                problem, estimator.init(omega, a), hg.Point(omega, a), **settings
            )[0]
            for name, estimator in estimators.items()
        }

    return quick(everything)


@functools.cache
def cases(dtype):
    estimators = {name: estimator for name, (estimator, _, _) in CASES.items()}
    return program(dtype, Q, estimators)


@functools.cache
def estimates(dtype):
    return cases(dtype)(jnp.asarray(Q.omega, dtype), jnp.asarray(Q.a, dtype))


@pytest.mark.parametrize("name", CASES)
def test_closed_form(name):
    _, wanted, tolerance = CASES[name]
    for dtype, bounds in (("float64", (tolerance, 1e-13)), ("float32", (1e-5, 1e-6))):
        hyper = estimates(dtype)[name]
        assert hyper.grad.dtype == dtype
        assert relative(hyper.grad, wanted) < bounds[0]
        assert relative(hyper.direct, Q.direct) < bounds[1]


@pytest.mark.slow
def test_in_single_precision_curvatures_may_lie_ten_thousand_apart():
    """Against themselves in double precision: rounding grows with the condition."""
    condition = 1e4
    q = Quadratic(condition)
    q.A *= 10 / condition  # the largest curvature is that of Q, for which RATE is made
    estimators = {name: case[0] for name, case in (CASES | AT_OPTIMUM).items()}
    del estimators["nystrom_p"]  # its damping of 1e-8 is below single precision
    estimators["nystrom"] = hg.nystrom(P, 1e-3)
    found = [
        program(dtype, q, estimators)(jnp.asarray(q.omega, dtype), q.a.astype(dtype))
        for dtype in ("float32", "float64")
    ]
    for name in estimators:
        single, double = (each[name].grad for each in found)
        assert single.dtype == np.float32
        error = relative(single, double)
        assert error < condition * np.finfo(np.float32).eps, name


def test_a_diverged_model_shows_though_the_mixed_derivative_is_constant():
    """C does not depend on ω: only the solution of H z = v can carry the NaN."""
    diverged = jnp.asarray(Q.omega).at[3].set(jnp.nan)
    found = cases("float64")(diverged, jnp.asarray(Q.a))
    hidden = [name for name, hyper in found.items() if np.isfinite(hyper.grad).any()]
    # The direct part alone, which does not depend on ω either.
    assert hidden == ["first_order"]


@pytest.mark.parametrize("name", AT_OPTIMUM)
def test_implicit_estimators_reach_the_true_hypergradient(name):
    estimator, tolerance = AT_OPTIMUM[name]
    hyper, _ = run(estimator, omega=OPTIMUM)
    assert relative(hyper.grad, Q.implicit(OPTIMUM)) < tolerance


def test_solvers_decay_within_their_textbook_bounds():
    """With C = I the indirect part is −z, whose error each bound is about.

    Neumann: ‖z_K − z‖ ≤ (1 − 1/κ)^{K+1} ‖z‖; conjugate gradients, in the norm of A:
    ‖z_K − z‖ ≤ 2((√κ − 1)/(√κ + 1))^K ‖z‖. A has its eigenvalues from 1/κ to 1.
    """
    conditions = np.array([1.5, 10.0, 100.0, 1000.0])
    matrices = np.stack(
        [Quadratic(condition).A / condition for condition in conditions]
    )
    omegas = -np.linalg.solve(matrices, np.stack([Q.b] * 4)[..., None])[..., 0]
    exact = np.linalg.solve(matrices, ((omegas - Q.w) @ Q.F)[..., None])[..., 0]
    problem = hg.BilevelProblem(
        lambda o, a, A: 0.5 * o @ A @ o + o @ (a + Q.b), Q.loss_of_omega
    )

    def errors(estimator, metrics):
        """Relative, one a condition."""

        @jax.vmap
        def solve(A, omega):
            args = problem, (), hg.Point(omega, jnp.zeros(P), A)
            return -estimator.estimate(*args, inner_update=None)[0].indirect

        miss = np.asarray(quick(solve)(matrices, omegas)) - exact
        squares = [np.einsum("cp,cpq,cq->c", x, metrics, x) for x in (miss, exact)]
        return np.sqrt(squares[0] / squares[1])

    rounding, previous = 1e-12, np.full(4, np.inf)
    for terms in (1, 5, 20, 100, 500):
        found = errors(hg.neumann(terms, 1.0), np.stack([np.eye(P)] * 4))
        assert np.all(found <= (1 - 1 / conditions) ** (terms + 1) + rounding)
        assert np.all(found <= previous + rounding)
        previous = found
    roots, previous = np.sqrt(conditions), np.full(4, np.inf)
    for iterations in (1, 2, 5, 10, 20):
        found = errors(hg.conjugate_gradient(iterations), matrices)
        bound = 2 * ((roots - 1) / (roots + 1)) ** iterations
        assert np.all(found <= bound + rounding)
        assert np.all(found <= previous + rounding)
        previous = found


def test_online_forward_mode_is_an_unroll_that_never_ends():
    optimizer = optax.sgd(RATE, momentum=0.9, nesterov=True)
    omega = jnp.asarray(Q.omega)
    moments = optimizer.init(omega)
    estimator = hg.online_forward_mode(moments)
    state = estimator.init(omega, jnp.asarray(Q.a))
    start = hg.from_optax(optimizer, moments)
    for count in (1, 2, 3):
        update = hg.from_optax(optimizer, moments)
        hyper, state = run(estimator, omega=omega, update=update, state=state)
        wanted, _ = run(hg.unroll(count), update=start)
        assert relative(hyper.grad, wanted.grad) < 1e-13
        gradient = jax.grad(Q.inner_loss)(omega, jnp.asarray(Q.a), None)
        omega, moments = update.step(omega, gradient, moments)


@pytest.mark.parametrize(
    ("curvature", "decay", "bound"),
    [((2.0,) * 4, 0.8, 1e-12), ((1.0, 1.5, 2.0, 2.5), 0.8, 0.3)],
    ids=["one rate of forgetting", "several"],
)
def test_all_steps_so_far_by_one_product(curvature, decay, bound):
    """Exact where ∂Φ/∂ω = γ I; else nearer than one step, which misses most of it."""
    rng = np.random.default_rng(0)
    h, c, target = jnp.array(curvature), jnp.asarray(rng.normal(size=(4, 3))), 5.0
    problem = hg.BilevelProblem(
        lambda w, a, batch: 0.5 * jnp.sum(h * w**2) - batch * w @ (c @ a),
        lambda w, a, batch: 0.5 * jnp.sum((w - target) ** 2) + 0.1 * jnp.sum(a),
    )
    update, steps = hg.gradient_descent(0.1), 6
    point = hg.Point(jnp.ones(4), jnp.array([0.3, -0.2, 0.5]))
    batches = jnp.ones(steps)

    @quick
    def everything(point, decay):
        size = hg.hyper_distill_size(
            problem, point, batches, steps, inner_update=update, decay=decay
        )
        found = []
        for kind in (hg.hyper_distill(size, decay), hg.one_step_unroll()):
            omega, state = point.inner, kind.init(point.inner, point.outer)
            for batch in batches:
                here = point._replace(inner=omega, train_batch=batch)
                hyper, state = kind.estimate(problem, state, here, inner_update=update)
                slope = jax.grad(problem.inner_loss)(omega, point.outer, batch)
                omega = update(omega, slope)
            found.append(hyper.indirect)
        whole = hg.unroll(steps, stacked=True)
        here = point._replace(train_batch=batches)
        wanted = whole.estimate(problem, (), here, inner_update=update)[0]
        return *found, wanted.indirect

    distilled, one_step, wanted = everything(point, decay)
    assert relative(distilled, wanted) < bound
    assert relative(one_step, wanted) > 0.5


def test_a_random_product_of_rank_one_has_the_mean_of_the_tangents():
    """Over seeds, at each of three calls; momentum is part of the state."""
    optimizer = optax.sgd(RATE, momentum=0.9)
    problem = hg.BilevelProblem(Q.inner_loss, Q.outer_loss)
    start, a = jnp.asarray(Q.omega), jnp.asarray(Q.a)

    @quick
    def everything(seeds):
        moments = optimizer.init(start)

        def calls(seed):
            estimator = hg.unbiased_online_recurrent_optimisation(moments, seed)

            def body(carry, _):
                (omega, moments), state = carry
                hyper, state = estimator.estimate(
                    problem,
                    state,
                    hg.Point(omega, a),
                    inner_update=hg.from_optax(optimizer, moments),
                )
                return (tuple(hyper.end), state), hyper.grad

            begin = (start, moments), estimator.init(start, a)
            return jax.lax.scan(body, begin, length=3)[1]

        update = hg.from_optax(optimizer, moments)
        kinds = *map(hg.unroll, (1, 2, 3)), hg.unroll(3, truncate=1)
        wanted = [at(kind, Q, (), start, update)[0].grad for kind in kinds]
        return jax.vmap(calls)(seeds), jnp.stack(wanted)

    found, (*wanted, last) = map(np.asarray, everything(jnp.arange(8000)))
    error = found.std(axis=0) / len(found) ** 0.5
    assert np.abs((found.mean(axis=0) - wanted) / error).max() < 3.5
    # The last step alone would be seen.
    assert np.abs((found.mean(axis=0)[2] - last) / error[2]).max() > 6


def test_warm_start_goes_on_where_it_stopped():
    estimator = hg.warm_started_linear_system(7, RATE)
    _, state = run(estimator)
    hyper, _ = run(estimator, state=state)
    assert relative(hyper.grad, Q.neumann(Q.omega, 13)) < 1e-13


def test_a_sketch_takes_other_directions_at_each_call():
    first, second = run_often(hg.nystrom(3, 1.0), 2).grad
    assert relative(first, second) > 1e-3


def test_a_sketch_of_a_singular_hessian_is_its_damped_inverse():
    hessian = np.zeros((6, 6))
    hessian[:2, :2] = [[2.0, 0.5], [0.5, 1.0]]
    problem = hg.BilevelProblem(
        lambda omega, a, batch: 0.5 * omega @ hessian @ omega + a * jnp.sum(omega),
        lambda omega, a, batch: 0.5 * jnp.sum((omega - 1) ** 2),
    )
    omega, a, estimator = jnp.arange(6.0), jnp.array(0.3), hg.nystrom(4, 0.1)
    update = {"inner_update": hg.gradient_descent(0.1)}
    state = estimator.init(omega, a)
    estimate = functools.partial(estimator.estimate, problem, **update)
    hyper, _ = quick(estimate)(state, hg.Point(omega, a))
    wanted = -np.linalg.solve(hessian + 0.1 * np.eye(6), np.arange(6.0) - 1).sum()
    np.testing.assert_allclose(hyper.grad, wanted, rtol=1e-10)


def sketched(curvatures, rank, damping, dtype, seed=0):
    """z of (H_k + ρI) z = v for a Hessian with these eigenvalues, in its eigenbasis.

    And the exact z of the whole H.
    """
    rng = np.random.default_rng(0)
    size = len(curvatures)
    basis, _ = np.linalg.qr(rng.normal(size=(size, size)))
    hessian = (basis * curvatures) @ basis.T
    v = rng.normal(size=size)
    matrix, right, start = (jnp.asarray(x, dtype) for x in (hessian, v, 0 * v))
    problem = hg.BilevelProblem(
        lambda omega, a, batch: 0.5 * omega @ matrix @ omega + omega @ a,
        lambda omega, a, batch: right @ omega,
    )
    estimator, point = hg.nystrom(rank, damping, seed), hg.Point(start, start)
    update = {"inner_update": hg.gradient_descent(0.1)}
    hyper, _ = estimator.estimate(problem, jnp.int32(0), point, **update)
    assert hyper.grad.dtype == dtype
    found = np.asarray(hyper.grad, np.float64)
    return -basis.T @ found, basis.T @ v / (curvatures + damping)


@pytest.mark.parametrize("damping", [0.1, 1e-6])
def test_a_sketch_of_full_rank_keeps_all_directions_in_single_precision(damping):
    curvatures = np.linspace(1, 3, 21)
    for seed in range(4):
        found, wanted = sketched(curvatures, 21, damping, jnp.float32, seed)
        assert relative(found, wanted) < 1e-4


def test_a_sketch_keeps_small_curvatures_beside_large_ones_in_single_precision():
    """A Gram matrix of its columns would lose all below 1/260 of the largest."""
    curvatures = np.concatenate([np.geomspace(1, 1e4, 10), np.zeros(11)])
    found, wanted = sketched(curvatures, 12, 0.1, jnp.float32)
    assert relative(found, wanted) < 1e-3
    assert relative(found[:10], wanted[:10]) < 1e-2


def test_a_sketch_in_half_precision_is_computed_in_single():
    found, wanted = sketched(np.linspace(1, 3, 6), 6, 0.1, jnp.bfloat16)
    assert relative(found, wanted) < 0.02


def test_penalty_has_its_closed_form_and_a_bias_of_one_over_gamma():
    errors, penalties = [], (1e2, 1e3, 1e4)
    for gamma in penalties:
        pulled = np.linalg.solve(Q.A + Q.F / gamma, Q.F @ Q.w / gamma - Q.C @ Q.a - Q.b)
        wanted = Q.direct + gamma * Q.C.T @ (pulled - OPTIMUM)
        hyper, _ = run(hg.value_function(1000, gamma))
        assert relative(hyper.grad, wanted) < 1e-8
        errors.append(relative(hyper.grad, Q.implicit(OPTIMUM)))
    slope = np.polyfit(np.log(penalties), np.log(errors), 1)[0]
    assert -1.1 < slope < -0.9


def test_evolution_strategies_follow_their_law():
    wanted = Q.unrolled(3)
    found = run_often(hg.evolution_strategies(16, 1e-3, 3), 30).grad
    squares = [relative(grad, wanted) ** 2 for grad in found]
    law = np.sqrt((D + 1) / 16)
    assert law / 2 < np.sqrt(np.mean(squares)) < 2 * law


@pytest.mark.parametrize("name", ["persistent", "noise_reuse"])
def test_strategies_that_go_on_sum_to_the_whole_gradient(name):
    factory = getattr(hg, f"{name}_evolution_strategies")
    found = run_often(factory(4000, 1e-3, 2), 3)
    total = np.sum(found.grad, axis=0)
    errors = float(np.sum(found.diagnostics["standard_error"]))
    wanted = sum(Q.unrolled(2 * t) for t in (1, 2, 3))
    assert np.linalg.norm(total - wanted) < 2 * errors
    # The truncated kind forgets how earlier truncations depend on a.
    assert errors < 0.2 * np.linalg.norm(wanted)
    few = np.asarray(run_often(factory(2, 1e-3, 2), 3).grad)
    spread = np.linalg.svd(few)[1]
    # Two perturbations for all calls: their gradients lie in one plane.
    assert (spread[2] < 1e-6 * spread[0]) == (name == "noise_reuse")


def test_adam_unrolled_is_the_gradient_through_the_loop():
    optimizer = optax.adam(0.1, eps_root=1e-8)
    moments = optimizer.init(jnp.asarray(Q.omega))

    def after(a):
        omega, state = jnp.asarray(Q.omega), moments
        for _ in range(5):
            gradient = jax.grad(Q.inner_loss)(omega, a, None)
            updates, state = optimizer.update(gradient, state, omega)
            omega = optax.apply_updates(omega, updates)
        return Q.outer_loss(omega, a, None)

    wanted = quick(jax.grad(after))(jnp.asarray(Q.a))
    update = hg.from_optax(optimizer, moments)
    kinds = hg.unroll(5), hg.unroll(5, rematerialise=False), hg.forward_mode(5)
    for estimator in kinds:
        assert relative(run(estimator, update=update)[0].grad, wanted) < 1e-12


def test_negative_curvature_stops_conjugate_gradients():
    q = Quadratic()
    q.A = q.A - 3.0 * np.eye(P)
    hyper, _ = run(hg.conjugate_gradient(P), q)
    assert bool(hyper.diagnostics["negative_curvature"])
    assert np.isfinite(hyper.grad).all()
    damped, _ = run(hg.conjugate_gradient(P, damping=3.0), q)
    assert not bool(damped.diagnostics["negative_curvature"])
    assert relative(damped.grad, Q.implicit(Q.omega)) < 1e-10


@pytest.mark.parametrize("kind", [hg.minimal_residual, hg.generalised_minimal_residual])
def test_minimal_residuals_solve_where_curvature_is_negative(kind):
    """Saddles: exact after dim(ω) steps, the least residual of a Krylov space before.

    Further steps change nothing, nor is zero divided if v is zero.
    """
    q, single, still = Quadratic(), Quadratic(), Quadratic()
    q.A = q.A - 3.2 * np.eye(P)
    assert np.sum(np.linalg.eigvalsh(q.A) < 0) == 5
    still.F = 0 * q.F
    vars(single).update({k: np.float32(v) for k, v in vars(q).items()})

    @quick
    def everything(omega):
        estimators = [kind(count) for count in (6, P + 1, 3 * P)]
        found = [at(one, q, (), omega)[0] for one in estimators]
        small = omega.astype(jnp.float32)
        in_single = at(estimators[1], single, (), small)[0]
        return found, in_single, at(estimators[0], still, (), omega)[0]

    (few, exact, more), in_single, zero = everything(jnp.asarray(q.omega))
    assert relative(few.grad, q.minimal_residual(q.omega, 6)) < 1e-10
    for hyper in (exact, more):
        assert relative(hyper.grad, q.implicit(q.omega)) < 1e-8
        assert float(hyper.diagnostics["residual"]) < 1e-8
    assert in_single.grad.dtype == np.float32
    assert relative(in_single.grad, q.implicit(q.omega)) < 1e-4
    assert 0.01 < float(few.diagnostics["residual"]) < 1
    assert P <= int(more.diagnostics["iterations"]) < 2 * P
    np.testing.assert_array_equal(zero.indirect, 0)


def test_a_whole_basis_keeps_what_three_vectors_lose_to_rounding():
    """Eigenvalues of both signs over four decades: dim(ω) steps are enough for one."""
    q = Quadratic()
    signs = np.where(np.arange(P) % 2, 1, -1)
    basis, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(P, P)))
    q.A = basis @ np.diag(signs * np.geomspace(1e-2, 1e2, P)) @ basis.T
    single = Quadratic()
    vars(single).update({k: np.float32(v) for k, v in vars(q).items()})
    kinds = hg.minimal_residual(P), hg.generalised_minimal_residual(P)

    @quick
    def everything(omega):
        small = omega.astype(jnp.float32)
        return [
            [at(kind, of, (), x)[0].grad for kind in kinds]
            for of, x in ((q, omega), (single, small))
        ]

    wanted = q.implicit(q.omega)
    (three, whole), (_, in_single) = everything(jnp.asarray(q.omega))
    assert relative(whole, wanted) < 1e-9
    assert relative(three, wanted) > 1e-4
    assert relative(in_single, wanted) < 1e-2


def test_an_update_that_is_constant_in_its_gradient_is_said_to_be():
    """Fresh Adam and signs; a clipped gradient of one number is a sign as well."""
    one = hg.BilevelProblem(
        lambda o, a, b: jnp.sum((o - a) ** 2), lambda o, a, b: jnp.sum(o**2)
    )
    clipped = optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(0.1))
    whole, single = (jnp.asarray(x) for x in (Q.omega, Q.omega[:1]))
    problem = hg.BilevelProblem(Q.inner_loss, Q.outer_loss)
    cases = (
        (optax.adam(0.1), problem, whole, Q.a, True),
        (optax.lion(0.1), problem, whole, Q.a, True),
        (clipped, one, single, Q.a[:1], True),
        (clipped, problem, whole, Q.a, False),
        (optax.sgd(0.1), problem, whole, Q.a, False),
    )

    @quick
    def diagnostics():
        return [
            hg.one_step_unroll()
            .estimate(
                of,
                (),
                hg.Point(omega, jnp.asarray(a)),
                inner_update=hg.from_optax(optimizer, optimizer.init(omega)),
            )[0]
            .diagnostics
            for optimizer, of, omega, a, _ in cases
        ]

    for found, (*_, is_insensitive) in zip(diagnostics(), cases, strict=True):
        assert bool(found["is_insensitive"]) is is_insensitive
        assert int(found["nonfinite"]) == 0
    assert float(found["sensitivity"]) == pytest.approx(1.0)


SLOPES = {
    "one_step": hg.one_step_unroll(),
    "unroll": hg.unroll(2),
    "forward_mode": hg.forward_mode(2),
    "online_forward_mode": None,
}


@pytest.mark.parametrize("name", SLOPES)
def test_a_dead_unit_under_adam_is_finite_and_counted(name):
    """ω has a unit without a gradient: 0/0 in the slope of Adam's square root."""
    a, optimizer = jnp.array([0.7]), optax.adam(0.1)
    problem = hg.BilevelProblem(
        lambda o, a, b: a[0] * o[0] ** 2, lambda o, a, b: jnp.sum((o - 1) ** 2)
    )

    @quick
    def found(omega):
        moments = optimizer.init(omega)
        # The other unit has moved before, else its own slope vanishes to rounding.
        gradient = jax.grad(problem.inner_loss)(omega, a, None)
        _, moments = optimizer.update(optax.tree.scale(0.5, gradient), moments)
        estimator = SLOPES[name] or hg.online_forward_mode(moments)
        args = problem, estimator.init(omega, a), hg.Point(omega, a)
        update = hg.from_optax(optimizer, moments)
        return estimator.estimate(*args, inner_update=update)[0]

    hyper, alone = found(jnp.array([0.5, -0.3])), found(jnp.array([0.5]))
    assert int(hyper.diagnostics["nonfinite"]) > 0
    assert int(alone.diagnostics["nonfinite"]) == 0
    assert abs(float(alone.grad[0])) > 1e-4
    np.testing.assert_allclose(hyper.grad, alone.grad, rtol=1e-10)


def test_refusals():
    loss, outer = (lambda o, a, b: jnp.sum(o * a)), jnp.ones(3)
    lam = hg.BilevelProblem(loss, lambda o, a, b: jnp.sum(o**2))
    update = {"inner_update": hg.gradient_descent(0.1)}
    point = hg.Point(outer, outer)
    with pytest.raises(ValueError, match="depends on the outer variable"):
        hg.first_order().estimate(lam, (), point, **update)
    with pytest.raises(ValueError, match=r"rank must be at most dim\(ω\) = 3"):
        hg.nystrom(4, 1.0).estimate(lam, jnp.zeros((), jnp.int32), point, **update)
    half = outer.astype(jnp.bfloat16)
    with pytest.raises(ValueError, match="float32 or float64 weights"):
        hg.finite_difference().estimate(lam, (), hg.Point(half, half), **update)
    stacked = hg.Point(outer, outer, jnp.ones(3))
    with pytest.raises(ValueError, match="must hold 4 batches"):
        hg.unroll(4, stacked=True).estimate(lam, (), stacked, **update)
