"""Diagnostics against closed forms."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from autoreg_jax import hypergrad
from autoreg_jax.hypergrad import problems

agreement, cosine = jax.jit(hypergrad.agreement), jax.jit(hypergrad.cosine)
batch_noise = jax.jit(hypergrad.batch_noise)
eigenvalue_stop = jax.jit(hypergrad.eigenvalue_stop, static_argnames="lag")
kink_density = jax.jit(hypergrad.kink_density, static_argnames="period")

RNG = np.random.default_rng(0)


def test_cosine():
    first = {"a": jnp.array([3.0, 0.0]), "b": jnp.array(4.0)}
    second = {"a": jnp.array([0.0, 1.0]), "b": jnp.array(1.0)}
    np.testing.assert_allclose(cosine(first, second), 0.8 / np.sqrt(2))
    zero = optax.tree.zeros_like(first)
    assert float(cosine(first, zero)) == 0
    # The product of these norms is no number of single precision.
    small = optax.tree.scale(1e-30, first)
    np.testing.assert_allclose(cosine(small, first), 1, rtol=1e-6)
    np.testing.assert_allclose(cosine(small, small), 1, rtol=1e-6)


@pytest.mark.usefixtures("x64")
def test_alignment_is_the_one_step_hypergradient_of_loss_weights():
    omega = RNG.normal(size=4)

    def terms(omega):
        return {"x": jnp.sum(jnp.sin(omega)), "y": omega @ omega}

    def inner_loss(omega, lam, batch):
        return sum(lam[name] * term for name, term in terms(omega).items())

    def outer_loss(omega, lam, batch):
        return jnp.sum(omega**3)

    lam = {"x": np.float64(0.7), "y": np.float64(0.2)}

    @jax.jit
    def both(omega, lam):
        hyper, _ = hypergrad.one_step_unroll().estimate(
            hypergrad.BilevelProblem(inner_loss, outer_loss),
            (),
            hypergrad.Point(omega, lam),
            inner_update=hypergrad.gradient_descent(0.05),
        )
        ahead = omega - 0.05 * jax.grad(inner_loss)(omega, lam, None)
        slope = jax.grad(outer_loss)(ahead, lam, None)
        return hyper, hypergrad.alignment(terms, omega, slope)

    hyper, found = both(omega, lam)
    for name in lam:
        np.testing.assert_allclose(0.05 * found[name], hyper.grad[name], rtol=1e-12)


def test_batch_noise_of_a_known_spread():
    truth = jnp.array([1.0, 2.0])
    draws = truth[None] + jnp.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    noise = batch_noise(draws, jnp.array([1.0, 1.0]))
    variance = 2 / 3 + 8 / 3
    np.testing.assert_allclose(noise, (1.0, variance, np.sqrt(5 / variance)), rtol=1e-6)
    still = batch_noise(jnp.ones((3, 2)), jnp.ones(2))
    np.testing.assert_array_equal(still, (0.0, 0.0, np.inf))
    assert np.isnan(batch_noise(draws.at[0, 0].set(jnp.nan), truth).signal_to_noise)
    with pytest.raises(ValueError, match="two draws"):
        batch_noise(draws[:1], truth)


def test_kink_density():
    near = jnp.array([0.02, -0.98, 3.04])
    assert float(kink_density({"a": near, "b": near + 0.5}, period=1)) == 0.5
    assert float(kink_density(jnp.array([0.0, 1.0, -0.01, 0.2]))) == 0.5
    uniform = jnp.asarray(RNG.uniform(0, 50, 40_000))
    density = kink_density(uniform, 0.1, period=1.0)
    assert abs(float(density) - 0.2) < 4 * np.sqrt(0.16 / 40_000)


@pytest.mark.usefixtures("x64")
def test_outer_hessian_is_the_matrix_of_a_quadratic():
    root = RNG.normal(size=(5, 5))
    matrix = root @ root.T
    outer = {"x": np.ones(2), "y": np.ones((1, 3))}

    def loss(outer):
        flat = jnp.concatenate([outer["x"], outer["y"][0]])
        return 0.5 * flat @ matrix @ flat

    found = jax.jit(partial(hypergrad.outer_hessian, loss))(outer)
    np.testing.assert_allclose(found, matrix, rtol=1e-12)
    np.testing.assert_allclose(
        jax.jit(partial(hypergrad.largest_eigenvalue, loss))(outer),
        np.linalg.eigvalsh(matrix)[-1],
        rtol=1e-12,
    )


def test_the_rule_of_robust_darts():
    flat = np.ones(12, np.float32)
    assert not eigenvalue_stop(flat).should_stop
    # Means over five of a geometric sequence grow by its factor to the fourth.
    for factor, stops in ((1.05, False), (1.08, True)):
        found = eigenvalue_stop(np.float32(factor) ** np.arange(12, dtype=np.float32))
        np.testing.assert_allclose(found.ratio, factor**4, rtol=1e-5)
        assert bool(found.should_stop) is stops
    assert not eigenvalue_stop(2 ** np.arange(8, dtype=np.float32)).should_stop
    sunken = eigenvalue_stop(np.linspace(-1, 1, 12, dtype=np.float32))
    assert np.isfinite(sunken.ratio)
    assert not sunken.should_stop
    with pytest.raises(ValueError, match="must be positive"):
        eigenvalue_stop(flat, lag=0)


@pytest.mark.usefixtures("x64")
def test_finite_response_tells_a_smooth_loss_from_a_kink():
    omega, u = RNG.normal(size=(2, 3))
    outer = np.array([0.4, -0.3])
    directions = [np.array([1.0, 0.0]), np.array([0.6, -0.8])]

    def inner_loss(omega, outer, batch):  # quadratic in `outer`: slopes are exact
        return jnp.sum(omega**2) * outer @ outer

    q = jax.jit(hypergrad.gradient_response(inner_loss, omega, None, u))
    product = partial(hypergrad.mixed_product, inner_loss)
    gradient = jax.jit(product)(omega, outer, None, u)
    found = hypergrad.finite_response(q, gradient, outer, directions, 0.3)
    np.testing.assert_allclose(found.actual, found.predicted, rtol=1e-10)
    assert float(found.error) < 1e-10
    # Half of a slope is half wrong; a slope that is not there is all wrong.
    half = hypergrad.finite_response(q, gradient / 2, outer, directions, 0.3)
    np.testing.assert_allclose(half.error, 0.5)

    def kink(outer):
        return jnp.abs(outer[0] - 0.4 - 1e-3)

    blind = hypergrad.finite_response(
        kink, jax.grad(kink)(outer), outer, directions[:1], 0.1
    )
    np.testing.assert_allclose(blind.actual, -0.01, rtol=1e-6)
    np.testing.assert_allclose(blind.error, 99.0, rtol=1e-6)
    nothing = hypergrad.finite_response(lambda _: 1.0, outer, outer, directions, 0.1)
    assert np.isinf(nothing.error)
    with pytest.raises(ValueError, match="step must be positive"):
        hypergrad.finite_response(q, gradient, outer, directions, 0.0)


@pytest.mark.usefixtures("x64")
def test_smoothing_a_product():
    key = jax.random.key(0)
    omega, direction = jnp.asarray(RNG.normal(size=5)), jnp.ones(5)

    def linear(omega, outer, batch, u):
        return outer * (omega @ u)

    smooth = hypergrad.smoothed_product(linear, key, sigma=0.5, samples=4)
    np.testing.assert_allclose(
        smooth(omega, 2.0, None, direction), linear(omega, 2.0, None, direction)
    )

    def cubic(omega, outer, batch, u):  # E (ω + σz)² = ω² + σ²
        return outer * jnp.sum(omega**2 * u)

    many = hypergrad.smoothed_product(cubic, key, sigma=0.3, samples=400)
    wanted = cubic(omega, 1.0, None, direction) + 5 * 0.3**2
    found = many(omega, 1.0, None, direction)
    assert abs(float(found - wanted)) < 4 * 0.09 * np.sqrt(2 * 5 / 200)
    for settings in ({"sigma": 0.0, "samples": 2}, {"sigma": 1.0, "samples": 3}):
        with pytest.raises(ValueError, match=r"must be"):
            hypergrad.smoothed_product(linear, key, **settings)


def test_agreement():
    reference = {"a": jnp.array([1.0, -2.0]), "b": jnp.array([2.0])}
    same = agreement(reference, reference)
    np.testing.assert_allclose(same, (1, 0, 1), atol=1e-6)
    longer = agreement(optax.tree.scale(1.5, reference), reference)
    np.testing.assert_allclose(longer, (1, 0.5, 1), rtol=1e-6)
    turned = agreement(optax.tree.scale(-1.0, reference), reference)
    np.testing.assert_allclose(turned, (-1, 2, 0), rtol=1e-6)
    zero = optax.tree.zeros_like(reference)
    assert np.isinf(agreement(reference, zero).relative_error)
    assert float(agreement(zero, zero).relative_error) == 0
    unknown = reference | {"b": jnp.array([jnp.nan])}
    for pair in (unknown, reference), (reference, unknown), (unknown, zero):
        assert np.isnan(agreement(*pair).relative_error)
    with pytest.raises(ValueError, match=r"estimate\['b'\] .* expected float32\[2\]"):
        agreement(reference, reference | {"b": jnp.ones(2)})


@pytest.mark.usefixtures("x64")
def test_compare_holds_estimators_against_the_reference():
    example = problems.quadratic(jax.random.key(2))
    outer = example.point.outer
    point = example.point._replace(inner=example.solution(outer))
    estimators = {
        "exact": hypergrad.one_step_unroll(),
        "difference": hypergrad.finite_difference(0.1),
    }
    found = hypergrad.compare(
        estimators,
        example.problem,
        point,
        example.reference(outer),
        inner_update=hypergrad.gradient_descent(0.1),
    )
    assert list(found) == list(estimators)
    # The loss is quadratic: the difference is exact, both are the first Neumann term.
    np.testing.assert_allclose(found["exact"], found["difference"], rtol=1e-9)
    assert 0.1 < float(found["exact"].relative_error) < 1

    def tried(reference, estimator=estimators["exact"]):
        update, named = hypergrad.gradient_descent(0.1), {"one": estimator}
        hypergrad.compare(named, example.problem, point, reference, inner_update=update)

    with pytest.raises(ValueError, match="The reference has another structure"):
        tried({"a": outer})
    with pytest.raises(ValueError, match=r"estimators\['one'\] must be a Hyperg"):
        tried(outer, hypergrad.one_step_unroll)
