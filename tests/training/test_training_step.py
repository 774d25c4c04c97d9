"""The training step against gradient descent by hand."""

import jax.numpy as jnp
import numpy as np
import optax

from autoreg_jax.training import make_training


def half_square(params, batch):
    loss = 0.5 * jnp.sum((params["w"] - batch) ** 2)
    return loss, {"full": loss, "smooth": 2 * loss, "half": loss, "quarter": loss}


def test_gradient_descent_on_a_quadratic():
    algorithm = make_training(half_square, optax.sgd(0.1))
    state = algorithm.init({"w": jnp.array([2.0, -4.0])})
    target = jnp.array([1.0, 1.0])
    for step in range(5):
        np.testing.assert_allclose(
            state.params["w"] - target, 0.9**step * np.array([1.0, -5.0]), rtol=1e-5
        )
        state, info = algorithm.step(state, target)
        np.testing.assert_allclose(info.loss, 13 * 0.81**step, rtol=1e-5)
        np.testing.assert_allclose(info.terms["smooth"], 26 * 0.81**step, rtol=1e-5)
        np.testing.assert_allclose(info.gradient_norm**2, 2 * info.loss, rtol=1e-5)
        assert bool(info.is_finite)
    assert int(state.step) == 5


def test_a_loss_that_is_nan_is_flagged():
    algorithm = make_training(half_square, optax.sgd(0.1))
    state = algorithm.init({"w": jnp.ones(2)})
    assert not bool(algorithm.step(state, jnp.array([jnp.nan, 0.0]))[1].is_finite)
