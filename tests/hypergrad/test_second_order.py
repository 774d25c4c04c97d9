"""Second derivatives: symmetric, adjoint, precise, and what a difference can do."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from unoptimised import quick

from autoreg_jax import hypergrad as hg
from autoreg_jax.ops import convolution

BACKENDS = {
    "forward_over_reverse": hg.forward_over_reverse,
    "reverse_over_forward": hg.reverse_over_forward,
}


def perceptron(activation):
    """A mixture of two activations, weighted by the softmax of the outer variable."""

    def loss(inner, outer, batch):
        hidden = batch @ inner["w"]
        first, second = jax.nn.softmax(outer)
        mixed = first * activation(hidden) + second * hidden
        return jnp.mean((mixed @ inner["v"] - 1) ** 2)

    return loss


def draw(dtype=np.float64, seed=3):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return jnp.asarray(rng.normal(size=shape).astype(dtype))

    inner = {"w": normal(6, 16), "v": normal(16)}
    directions = [{"w": normal(6, 16), "v": normal(16)} for _ in range(2)]
    return inner, normal(2), normal(20, 6), *directions


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", BACKENDS)
def test_products_are_symmetric_and_adjoint(name):
    """⟨x, H y⟩ = ⟨y, H x⟩ and ⟨M u, b⟩ = ⟨u, Mᵀ b⟩ with Mᵀ by another route."""
    loss = perceptron(jnp.tanh)
    inner, outer, batch, x, y = draw()

    @quick
    def products(direction):
        return BACKENDS[name](loss, inner, outer, batch, direction, direction)

    of_x, of_y = products(x), products(y)
    crossed = optax.tree.vdot(x, of_y.hessian), optax.tree.vdot(y, of_x.hessian)
    np.testing.assert_allclose(*crossed, rtol=1e-12)
    b = jnp.array([0.6, -1.1])
    gradient = jax.grad(loss)
    _, transposed = jax.jvp(lambda a: gradient(inner, a, batch), (outer,), (b,))
    np.testing.assert_allclose(of_x.mixed @ b, optax.tree.vdot(x, transposed), 1e-12)
    # Neither is zero, nor are the two entries of M u those of a constant.
    assert min(abs(float(crossed[0])), float(jnp.abs(of_x.mixed).min())) > 1e-3


@pytest.mark.optimised
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", BACKENDS)
def test_of_loss_weights_the_mixed_product_is_the_slope_of_each_term(name):
    """L = Σ λ_i ℓ_i: no second derivative is left, to the last bit."""
    inner, _, batch, u, _ = draw()

    def terms(inner):
        hidden = jnp.tanh(batch @ inner["w"])
        return jnp.stack([jnp.mean(hidden**2), jnp.mean((hidden @ inner["v"]) ** 2)])

    def loss(inner, lam, batch):
        return lam @ terms(inner)

    lam = jnp.array([0.3, 2.0])
    found = BACKENDS[name](loss, inner, lam, batch, u, u).mixed
    np.testing.assert_array_equal(found, jax.jvp(terms, (inner,), (u,))[1])


def difference_errors(activation, dtype, radii):
    """Of the mixed product by differences, against the exact one in double."""
    loss = perceptron(activation)
    exact = np.asarray(quick(functools.partial(hg.mixed_product, loss))(*draw()[:4]))
    inner, outer, batch, u, v = draw(dtype)

    @quick
    def products(*args):
        backends = [hg.central_difference(radius) for radius in radii]
        differences = [products(loss, *args).mixed for products in backends]
        return jnp.stack([*differences, hg.mixed_product(loss, *args[:-1])])

    misses = np.asarray(products(inner, outer, batch, u, v), float) - exact
    *errors, own = np.linalg.norm(misses, axis=1) / np.linalg.norm(exact)
    return np.array(errors), own


@pytest.mark.usefixtures("x64")
def test_in_single_precision_a_difference_is_best_near_three_hundredths():
    """Rounding as 1/r below, truncation as r² above; the exact product has neither.

    The radii are numbers in double precision, as NumPy makes them: the probes are
    in that of ω. The median of several draws, for rounding is chance.
    """
    radii = 10.0 ** np.arange(-5, 1)
    loss = perceptron(jnp.tanh)

    def products(*args):
        backends = [hg.central_difference(radius) for radius in radii]
        differences = [product(loss, *args).mixed for product in backends]
        return jnp.stack([*differences, hg.mixed_product(loss, *args[:-1])])

    def stack(dtype):
        draws = [draw(dtype, seed) for seed in range(9)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *draws)

    single = quick(jax.vmap(products))(*stack(np.float32))
    assert single.dtype == np.float32
    exact = quick(jax.vmap(functools.partial(hg.mixed_product, loss)))
    exact = np.asarray(exact(*stack(np.float64)[:4]))[:, None]
    misses = np.linalg.norm(np.asarray(single, float) - exact, axis=-1)
    *errors, own = np.median(misses / np.linalg.norm(exact, axis=-1), axis=0)
    assert own < 1e-6
    assert np.all(np.diff(errors[:4]) < 0)
    assert 0.5 < np.log10(errors[0] / errors[3]) / 3 < 1.5
    assert 1.8 < np.log10(errors[5] / errors[4]) < 2.2
    assert np.argmin(errors) in (3, 4)
    assert min(errors) < 1e-3


@pytest.mark.usefixtures("x64")
def test_across_the_kinks_of_leaky_relu_a_difference_is_not_of_second_order():
    """It is no error to be repaired: the derivative does not see the kinks at all."""
    radii = np.logspace(-3, -1, 5)

    def slope(activation):
        errors, _ = difference_errors(activation, np.float64, radii)
        return np.polyfit(np.log(radii), np.log(errors), 1)[0], errors

    smooth, _ = slope(jnp.tanh)
    assert 1.9 < smooth < 2.1
    kinked, errors = slope(jax.nn.leaky_relu)
    assert not 1.5 < kinked < 2.5
    assert errors[-1] > 1e-3


@pytest.mark.usefixtures("x64")
def test_kinships_on_a_loss_that_is_not_quadratic():
    """One step of many is one step, no solver is the zeroth term, and so on."""
    loss = perceptron(jnp.tanh)
    inner, outer, batch, *_ = draw()
    optimizer = optax.adam(0.1, eps_root=1e-8)
    moments = optimizer.init(inner)
    problem = hg.BilevelProblem(loss, lambda *args: loss(*args) + outer @ args[1])

    def grad(estimator):
        hyper, _ = estimator.estimate(
            problem,
            estimator.init(inner, outer),
            hg.Point(inner, outer, batch, batch[::2]),
            inner_update=hg.from_optax(optimizer, moments),
        )
        return hyper.grad

    pairs = (
        (hg.unroll(1), hg.one_step_unroll()),
        (hg.online_forward_mode(moments), hg.one_step_unroll()),
        (hg.neumann(0, 0.3), hg.t1t2(0.3)),
        (hg.warm_started_linear_system(3, 0.01), hg.neumann(2, 0.01)),
        (hg.unroll(3), hg.forward_mode(3)),
        (hg.unroll(3), hg.unroll(3, rematerialise=False)),
        (hg.unroll(3), hg.unroll(3, mixed=hg.reverse_over_forward)),
    )
    found = quick(lambda: [(grad(first), grad(second)) for first, second in pairs])
    for first, second in found():
        np.testing.assert_allclose(first, second, rtol=1e-9)


def test_a_difference_asks_an_accelerator_for_its_highest_precision(monkeypatch):
    """TF32 and bfloat16 passes round by 1e-3: more than the difference of two."""

    def loss(inner, outer, batch):
        image = convolution(batch, inner["kernel"])
        return outer @ (image.reshape(-1) @ inner["matrix"]) ** 2

    batch = jnp.ones((1, 4, 1))  # one channel, of a signal of length four
    inner = {"kernel": jnp.ones((3, 1, 1)), "matrix": jnp.ones((4, 2))}

    def program(backend):
        monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
        products = jax.jit(
            lambda inner: backend(loss, inner, jnp.ones(2), batch, inner, inner)[:2]
        )
        return products.trace(inner).lower(lowering_platforms=("cuda",)).as_text()

    found = re.findall(
        r"stablehlo\.(?:convolution|dot_general).*", program(hg.central_difference())
    )
    assert len(found) > 8
    assert all("HIGHEST" in line for line in found)
    assert "HIGHEST" not in program(hg.forward_over_reverse)
