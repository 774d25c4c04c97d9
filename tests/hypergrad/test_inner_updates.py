"""Learning rates and initial weights as outer variables; where the steps have led."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from unoptimised import quick

from autoreg_jax import hypergrad as hg

pytestmark = pytest.mark.usefixtures("x64")

STEPS = 5
OUTER = {
    "log_rate": np.array(-2.0),
    "decay": np.array(0.3),
    "momentum": np.array(0.7),
    "weights": np.array([0.3, -0.5, 0.8]),
    "pull": np.array([0.4, -0.2, 0.1]),
}
PROBLEM = hg.BilevelProblem(
    lambda omega, a, b: jnp.sum(jnp.cosh(omega - a["pull"]) + b * jnp.sin(omega)),
    lambda omega, a, b: jnp.sum((omega - 1) ** 2) + 0.1 * jnp.sum(a["pull"] ** 2),
)
BATCHES = np.linspace(0.1, 0.9, STEPS)


def optimizer(outer):
    return optax.chain(
        optax.add_decayed_weights(outer["decay"]),
        optax.sgd(jnp.exp(outer["log_rate"]), momentum=outer["momentum"]),
    )


def start(outer):
    return jnp.tanh(outer["weights"])


def trained(outer, steps):
    """(ω, s) by a Python loop; the update and the start are written once more."""
    omega = jnp.tanh(outer["weights"])
    state = optimizer(outer).init(omega)
    for batch in BATCHES[:steps]:
        gradient = jax.grad(PROBLEM.inner_loss)(omega, outer, batch)
        updates, state = optimizer(outer).update(gradient, state, omega)
        omega = optax.apply_updates(omega, updates)
    return omega, state


def estimate(estimator, outer, batches, begin=start):
    omega = jnp.full(3, 7.0) if begin else start(outer)  # not used if there is a start
    update = hg.from_optax(optimizer, optimizer(outer).init(omega), start=begin)
    point = hg.Point(omega, outer, batches)
    state = estimator.init(omega, outer)
    return estimator.estimate(PROBLEM, state, point, inner_update=update)[0]


KINDS = {
    "one_step": (hg.one_step_unroll(), 1),
    "one_step_reverse": (hg.one_step_unroll(mixed=hg.reverse_over_forward), 1),
    "unroll": (hg.unroll(STEPS, stacked=True), STEPS),
    "unroll_kept": (hg.unroll(STEPS, rematerialise=False, stacked=True), STEPS),
    "unroll_checkpoints": (hg.unroll(STEPS, checkpoints=True, stacked=True), STEPS),
    "forward_mode": (hg.forward_mode(STEPS, stacked=True), STEPS),
}


def test_settings_of_the_update_and_initial_weights_are_outer_variables():
    """The gradient through the whole loop, and where it ends, by every estimator."""

    @quick
    def everything(outer):
        found, wanted = {}, {}
        for name, (estimator, steps) in KINDS.items():
            batches = BATCHES[0] if steps == 1 else jnp.asarray(BATCHES)
            found[name] = estimate(estimator, outer, batches)
        for steps in (1, STEPS):
            wanted[steps] = (
                trained(outer, steps),
                jax.grad(
                    lambda a, steps=steps: PROBLEM.outer_loss(
                        trained(a, steps)[0], a, None
                    )
                )(outer),
            )
        return found, wanted

    found, wanted = everything(jax.tree.map(jnp.asarray, OUTER))
    for name, (_, steps) in KINDS.items():
        end, gradient = wanted[steps]
        for key in OUTER:
            np.testing.assert_allclose(
                found[name].grad[key], gradient[key], rtol=1e-11, err_msg=name
            )
            if (steps, key) != (1, "momentum"):  # of a fresh state
                assert np.abs(gradient[key]).max() > 1e-4
        leaves = jax.tree.leaves(tuple(found[name].end))
        for a, b in zip(leaves, jax.tree.leaves(end), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, err_msg=name)


@pytest.mark.slow
def test_settings_of_the_update_are_outer_variables_of_a_random_product():
    """In the mean over seeds, of one step from a state that is not fresh."""

    @quick
    def everything(outer, seeds):
        _, moments = trained(outer, 2)
        update = hg.from_optax(optimizer, moments)
        point = hg.Point(jnp.full(3, 0.7), outer, BATCHES[0])

        def one(estimator):
            state = estimator.init(point.inner, outer)
            return estimator.estimate(PROBLEM, state, point, inner_update=update)[0]

        def of_seed(seed):
            kind = hg.unbiased_online_recurrent_optimisation(moments, seed)
            return one(kind).indirect

        return jax.vmap(of_seed)(seeds), one(hg.one_step_unroll()).indirect

    given = jax.tree.map(jnp.asarray, OUTER), jnp.arange(2000)
    found, wanted = jax.device_get(everything(*given))
    for key in ("log_rate", "decay", "momentum", "pull"):
        error = found[key].std(axis=0) / len(found[key]) ** 0.5
        mean = found[key].mean(axis=0)
        assert np.abs((mean - wanted[key]) / error).max() < 3.5, key
        assert np.abs(wanted[key] / error).max() > 6, key


def test_a_schedule_over_a_whole_training_by_forward_mode():
    """Three rates and weights for seven steps: those of ⌊3k/7⌋, and all of the loss."""
    windows, steps = 3, 7
    outer = {
        "log_rate": jnp.array([-2.0, -1.5, -3.0]),
        "pull": jnp.array([[0.4, -0.2], [0.1, 0.3], [0.0, -0.5]]),
    }
    problem = hg.BilevelProblem(
        lambda o, a, b: jnp.sum(jnp.cosh(o - a["pull"])),
        lambda o, a, b: jnp.sum((o - 1) ** 2) + 0.1 * jnp.sum(a["pull"] ** 2),
    )
    update = hg.gradient_descent(lambda a: jnp.exp(a["log_rate"]))
    omega = jnp.array([0.3, -0.6])

    def after(outer):
        o = omega
        for k in (0, 0, 0, 1, 1, 2, 2):
            a = jax.tree.map(lambda x, k=k: x[k], outer)
            o = o - jnp.exp(a["log_rate"]) * jax.grad(problem.inner_loss)(o, a, None)
        return problem.outer_loss(o, outer, None)

    estimator = hg.forward_mode(steps, windows=windows)

    @quick
    def both(outer):
        args = problem, (), hg.Point(omega, outer)
        hyper, _ = estimator.estimate(*args, inner_update=update)
        return hyper.value, hyper.grad, *jax.value_and_grad(after)(outer)

    value, found, wanted_value, wanted = both(outer)
    np.testing.assert_allclose(value, wanted_value, rtol=1e-13)
    for key in outer:
        np.testing.assert_allclose(found[key], wanted[key], rtol=1e-12)
    with pytest.raises(ValueError, match=r"outer\['log_rate'\] must hold 2 entries"):
        hg.forward_mode(4, windows=2).estimate(
            problem, (), hg.Point(omega, outer), inner_update=update
        )
    with pytest.raises(ValueError, match=r"windows must be in \[1, 4\]"):
        hg.forward_mode(4, windows=5)


def test_the_gradient_of_initial_weights_on_a_quadratic():
    """(I − ξA)^K v, MAML's; half of the steps truncate it to nothing."""
    curvatures, rate = np.array([0.5, 1.0, 3.0]), 0.1
    problem = hg.BilevelProblem(
        lambda o, a, b: 0.5 * o @ (curvatures * o), lambda o, a, b: 0.5 * o @ o
    )
    update = hg.gradient_descent(rate, start=lambda a: a)

    @quick
    def grads(a):
        return [
            estimator.estimate(problem, (), hg.Point(a, a), inner_update=update)[0].grad
            for estimator in (hg.unroll(4), hg.unroll(4, truncate=2))
        ]

    a = np.array([1.0, 2.0, -1.0])
    whole, truncated = grads(jnp.asarray(a))
    np.testing.assert_allclose(whole, (1 - rate * curvatures) ** 8 * a, rtol=1e-12)
    np.testing.assert_array_equal(truncated, 0)


def test_learning_rates_learned_online_and_by_evolution():
    """Online for constant a is the unroll; evolution sees the same losses."""
    outer = jax.tree.map(jnp.asarray, OUTER)
    moments = optimizer(outer).init(start(outer))
    online = hg.online_forward_mode(moments)

    @quick
    def both(outer):
        omega, state = start(outer), moments
        tangents = online.init(omega, outer)
        for batch in BATCHES[:3]:
            hyper, tangents = online.estimate(
                PROBLEM,
                tangents,
                hg.Point(omega, outer, batch),
                inner_update=hg.from_optax(optimizer, state),
            )
            omega, state = hyper.end
        unrolled = estimate(
            hg.unroll(3, stacked=True), outer, jnp.asarray(BATCHES[:3]), None
        )
        evolved = estimate(hg.evolution_strategies(4000, 1e-3, 1), outer, BATCHES[0])
        one = estimate(hg.one_step_unroll(), outer, BATCHES[0])
        return hyper, unrolled, evolved, one

    online_found, unrolled, evolved, one = both(outer)
    for key in OUTER:
        np.testing.assert_allclose(
            online_found.grad[key], unrolled.grad[key], rtol=1e-11
        )
    miss = optax.tree.norm(optax.tree.sub(evolved.grad, one.grad))
    assert miss < 3 * evolved.diagnostics["standard_error"]
    assert evolved.diagnostics["standard_error"] < 0.1 * optax.tree.norm(one.grad)


def test_the_end_of_two_trajectories_is_that_of_the_inner_loss():
    outer = jax.tree.map(jnp.asarray, OUTER)
    hyper = quick(lambda a: estimate(hg.value_function(2, 10.0), a, BATCHES[0]))(outer)
    omega = start(outer)
    update = hg.from_optax(optimizer, optimizer(outer).init(omega))
    state = update.state
    for _ in range(2):
        gradient = jax.grad(PROBLEM.inner_loss)(omega, outer, BATCHES[0])
        omega, state = update.advance(omega, gradient, state, outer)
    np.testing.assert_allclose(hyper.end.inner, omega, rtol=1e-12)
    leaves = jax.tree.leaves((hyper.end.state, state))
    np.testing.assert_allclose(*(np.concatenate(x) for x in (leaves[:1], leaves[1:])))


def test_the_end_of_three_levels():
    """ω ← ω − ½(ω − α), α ← α − ½h with h = α − λ: by hand for two rounds."""
    problem = hg.ThreeLevelProblem(
        lambda omega, outer, b: 0.5 * (omega - outer[0]) ** 2,
        lambda omega, outer, b: 0.5 * (outer[0] - outer[1]) ** 2 + 0.0 * omega,
        lambda omega, outer, b: 0.5 * omega**2,
    )
    sgd = optax.sgd(0.5, momentum=0.0)
    hyper = quick(
        lambda *point: hg.nested_forward(
            problem,
            point,
            (None, None, None),
            estimator=hg.t1t2(),
            inner_update=hg.from_optax(sgd, sgd.init(point[0])),
            middle_update=hg.gradient_descent(0.5),
            steps=2,
        )
    )(jnp.array(1.0), jnp.array(0.0), jnp.array(2.0))
    with pytest.raises(ValueError, match=r"lam must be .* found int64\[\]"):
        hg.nested_forward(
            problem,
            (1.0, 0.0, 2),
            (None, None, None),
            estimator=hg.t1t2(),
            inner_update=hg.gradient_descent(0.5),
            middle_update=hg.gradient_descent(0.5),
            steps=2,
        )
    (omega, alpha), (moments, middle) = hyper.end
    assert (float(omega), float(alpha)) == (1.25, 1.5)
    assert float(moments[0].trace) == -0.5  # ω − α before the last step: 1 − 1.5
    assert middle == ()


@pytest.mark.parametrize("what", [{"start": start}, {"optimizer": optimizer}])
@pytest.mark.parametrize("name", ["neumann", "t1t2", "preconditioned_identity"])
def test_what_does_not_see_the_steps_refuses_their_settings(name, what):
    numbers = {"neumann": (2, 0.1)}.get(name, ())
    outer = jax.tree.map(jnp.asarray, OUTER)
    of = what.get("optimizer", optax.sgd(0.1))
    update = hg.from_optax(of, (), start=what.get("start"))
    with pytest.raises(ValueError, match="does not depend on how ω was reached"):
        getattr(hg, name)(*numbers).estimate(
            PROBLEM, (), hg.Point(outer["pull"], outer, 0.0), inner_update=update
        )


def test_what_goes_on_refuses_a_start():
    outer = jax.tree.map(jnp.asarray, OUTER)
    update = hg.gradient_descent(0.1, start=start)
    for estimator in (
        hg.online_forward_mode(),
        hg.persistent_evolution_strategies(2, 0.1, 1),
    ):
        state = estimator.init(outer["pull"], outer)
        point = hg.Point(outer["pull"], outer, 0.0)
        with pytest.raises(ValueError, match="goes on from the ω that it is given"):
            estimator.estimate(PROBLEM, state, point, inner_update=update)


def test_the_identity_is_preconditioned_by_the_slope_of_the_optimizer():
    """SAMA's direction under Adam in a state that is not fresh, by forward mode."""
    problem = hg.BilevelProblem(
        lambda o, a, b: jnp.sum(jnp.cosh(o - a)), lambda o, a, b: jnp.sum((o - 1) ** 2)
    )
    adam, omega, a = (
        optax.adam(0.1, eps_root=1e-8),
        jnp.arange(3.0) + 0.5,
        jnp.ones(3) / 3,
    )

    @quick
    def both():
        gradient = jax.grad(problem.inner_loss)(omega, a, None)
        _, moments = adam.update(0.5 * gradient, adam.init(omega))
        update = hg.from_optax(adam, moments)
        slope = 2 * (omega - 1)
        # The slope of Adam is symmetric: each entry moves by its own gradient.
        _, u = jax.jvp(lambda g: update(omega, g), (gradient,), (slope,))
        wanted = -jnp.cosh(omega - a) * u
        estimator = hg.preconditioned_identity(mixed=hg.forward_over_reverse)
        args = problem, (), hg.Point(omega, a)
        return estimator.estimate(*args, inner_update=update)[0].grad, wanted

    found, wanted = both()
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    assert np.abs(wanted).min() > 1e-4


def test_checkpoints_repeat_the_steps_for_every_length():
    """Equal segments, a rest, one step: the gradient of all steps in every case."""
    problem = hg.BilevelProblem(
        lambda o, a, b: jnp.sum(jnp.cosh(o - a)) * b, lambda o, a, b: jnp.sum(o**2)
    )
    update, a = hg.gradient_descent(0.1), jnp.array([0.3, -0.8])

    @quick
    def both():
        found = {}
        for steps in (1, 2, 4, 7):
            batches = jnp.linspace(1.0, 2.0, steps)
            point = hg.Point(jnp.ones(2), a, batches)
            kinds = [
                hg.unroll(steps, stacked=True, checkpoints=is_on)
                for is_on in (False, True)
            ]
            found[steps] = [
                kind.estimate(problem, (), point, inner_update=update)[0]
                for kind in kinds
            ]
        return found

    for steps, (plain, repeated) in both().items():
        np.testing.assert_allclose(repeated.grad, plain.grad, rtol=1e-13)
        norms = repeated.diagnostics["adjoint_norms"]
        assert norms.shape == (steps,)
        np.testing.assert_allclose(norms, plain.diagnostics["adjoint_norms"])
    with pytest.raises(ValueError, match="set one of them"):
        hg.unroll(4, checkpoints=True, rematerialise=False)


@pytest.mark.optimised
def test_memory_of_checkpoints_grows_with_the_square_root():
    """K triples of ω, its gradient and state against the segments and one of them."""
    size, steps = 10_000, (16, 256)
    problem = hg.BilevelProblem(
        lambda o, a, b: jnp.sum(jnp.cosh(o - a)), lambda o, a, b: jnp.sum(o**2)
    )
    update = hg.gradient_descent(0.1)

    def trees(count, checkpoints):
        """Temporary memory in units of ω."""

        def run(omega, a):
            estimator = hg.unroll(count, checkpoints=checkpoints)
            point = hg.Point(omega, a)
            return estimator.estimate(problem, (), point, inner_update=update)[0].grad

        args = jax.ShapeDtypeStruct((size,), "float32"), 0.5
        memory = jax.jit(run).lower(*args).compile().memory_analysis()
        return memory.temp_size_in_bytes / (4 * size)

    plain = [trees(count, False) for count in steps]
    repeated = [trees(count, True) for count in steps]
    # ω and its gradient; the state is empty.
    slope = np.diff(plain) / np.diff(steps)
    np.testing.assert_allclose(slope, 2, rtol=0.3)
    # √K starts, and 2√K of one segment.
    slope = np.diff(repeated) / np.diff(np.sqrt(steps))
    np.testing.assert_allclose(slope, 3, rtol=0.3)


def test_a_missing_state_and_a_foreign_batch_are_named():
    adam, point = optax.adam(0.1), hg.Point(jnp.ones(3), {"pull": jnp.ones(3)}, 0.1)

    def tried(update, point=point, problem=PROBLEM):
        estimate = hg.unroll(2).estimate
        jax.eval_shape(lambda: estimate(problem, (), point, inner_update=update))

    with pytest.raises(ValueError, match=r"from_optax\(optimizer, its state\)"):
        tried(hg.from_optax(adam, ()))
    with pytest.raises(ValueError, match=r"another shape .* float64\[2\], expected"):
        tried(hg.from_optax(adam, adam.init(jnp.ones(2))))
    with pytest.raises(ValueError, match=r"inner_update must .* GradientTransf"):
        tried(adam)
    with pytest.raises(ValueError, match=r"point must be a Point\(inner, outer, tr"):
        tried(hg.gradient_descent(0.1), tuple(point))
    with pytest.raises(ValueError, match=r"problem must be a BilevelProblem\(inner_l"):
        tried(hg.gradient_descent(0.1), problem=tuple(PROBLEM))
    with pytest.raises(ValueError, match="from_optax needs an Optax transf"):
        tried(hg.from_optax(0.1, ()))
    with pytest.raises(ValueError, match=r"ω after an inner step .* float64\[2\], exp"):
        tried(lambda inner, gradient: (inner - gradient)[:2])
    with pytest.raises(ValueError, match=r"must return a pair \(inner, state\)"):
        tried(hg.InnerUpdate((), lambda inner, gradient, state: inner))
    keyed = hg.BilevelProblem(lambda o, a, b: jnp.sum(o * b["x"]), PROBLEM.outer_loss)
    with pytest.raises(TypeError) as caught:
        tried(hg.gradient_descent(0.1), problem=keyed)
    (note,) = [x for x in caught.value.__notes__ if "BilevelProblem" in x]
    assert "inner_loss of a BilevelProblem, called with inner = float64[3]" in note
    assert note.endswith("batch = float64[].")
