"""Relaxations of α: closed forms, invariances, and one estimator through each."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax import hypergrad, search_space

LOGITS = jnp.array([[0.3, -1.2, 0.8, 0.0], [0.0, 0.0, 2.0, -3.0]])
KEY = jax.random.key(3)
SIMPLEX = {
    "tempered": partial(search_space.tempered_weights, temperature=0.7),
    "dirichlet": partial(search_space.dirichlet_weights, key=KEY),
    "gumbel": partial(search_space.gumbel_weights, key=KEY, temperature=0.5),
    "hard_gumbel": partial(search_space.gumbel_weights, key=KEY, is_hard=True),
    "pruned": lambda x: search_space.pruned_weights(
        x, search_space.best_operations(x, 2)
    ),
    "one_hot": search_space.one_hot_weights,
}
RELAXATIONS = SIMPLEX | {"sigmoid": search_space.sigmoid_weights}


@pytest.mark.parametrize("name", SIMPLEX)
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_weights_are_shares(name, scale):
    weights = SIMPLEX[name](scale * LOGITS)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-6)
    assert float(weights.min()) >= 0
    assert weights.shape == LOGITS.shape


@pytest.mark.parametrize("name", ["tempered", "gumbel", "pruned", "one_hot"])
def test_a_common_shift_changes_nothing(name):
    np.testing.assert_allclose(
        SIMPLEX[name](LOGITS + 5.0), SIMPLEX[name](LOGITS), atol=1e-6
    )


def test_temperature_goes_from_equal_to_one_hot():
    tempered = search_space.tempered_weights
    np.testing.assert_allclose(tempered(LOGITS, 1e6), 0.25, atol=1e-5)
    np.testing.assert_allclose(
        tempered(LOGITS, 1e-2), search_space.one_hot_weights(LOGITS), atol=1e-6
    )
    np.testing.assert_array_equal(tempered(LOGITS), search_space.probabilities(LOGITS))


def test_sigmoid_and_its_loss():
    np.testing.assert_allclose(
        search_space.sigmoid_weights(jnp.log(jnp.array([1.0, 3.0]))), [0.5, 0.75]
    )
    loss = search_space.zero_one_loss
    assert float(loss(jnp.zeros((2, 3)))) == 0
    np.testing.assert_allclose(loss(jnp.array([40.0, -40.0])), -0.25)
    # −(σ − ½)² has the slope −2 (σ − ½) σ (1 − σ): away from ½ on both sides.
    x = jnp.array([1.1, -0.4])
    s = jax.nn.sigmoid(x)
    np.testing.assert_allclose(
        2 * jax.grad(loss)(x), -2 * (s - 0.5) * s * (1 - s), rtol=1e-5
    )


def test_dirichlet_has_its_mean_and_the_gradient_of_its_mean():
    logits = jnp.array([0.5, 0.0, -1.0])
    keys = jax.random.split(KEY, 5_000)
    draw = search_space.dirichlet_weights
    concentration = jax.nn.elu(logits) + 1
    mean = concentration / concentration.sum()
    drawn = quick(jax.vmap(partial(draw, logits)))(keys)
    sd = jnp.sqrt(mean * (1 - mean) / (concentration.sum() + 1))
    assert np.all(np.abs(drawn.mean(0) - mean) < 4 * sd / np.sqrt(len(keys)))

    def first_of_mean(x):
        return (jax.nn.elu(x) + 1)[0] / (jax.nn.elu(x) + 1).sum()

    slope = jax.vmap(lambda k: jax.grad(lambda x: draw(x, k)[0])(logits))
    gradients = quick(slope)(keys)
    error = gradients.mean(0) - jax.grad(first_of_mean)(logits)
    assert np.all(np.abs(error) < 4 * gradients.std(0) / np.sqrt(len(keys)))


def test_gumbel_picks_with_the_softmax_as_probability():
    keys = jax.random.split(KEY, 20_000)
    one_hot = partial(search_space.gumbel_weights, LOGITS[0], is_hard=True)
    hard = quick(jax.vmap(lambda key: one_hot(key=key)))(keys)
    wanted = search_space.probabilities(LOGITS[0])
    sd = jnp.sqrt(wanted * (1 - wanted) / len(keys))
    assert np.all(np.abs(hard.mean(0) - wanted) < 4 * sd)
    assert set(np.unique(np.round(hard, 5))) == {0.0, 1.0}

    def soft_or_hard(x, is_hard):
        return search_space.gumbel_weights(x, KEY, 0.5, is_hard=is_hard) @ jnp.arange(
            4.0
        )

    soft, straight = (jax.grad(soft_or_hard)(LOGITS[0], h) for h in (False, True))
    np.testing.assert_allclose(straight, soft, rtol=1e-5)


def test_pruning_keeps_the_order_of_what_is_left():
    mask = search_space.best_operations(LOGITS, 2)
    np.testing.assert_array_equal(mask, [[1, 0, 1, 0], [1, 0, 1, 0]])
    weights = search_space.pruned_weights(LOGITS, mask)
    assert np.all(np.asarray(weights)[~np.asarray(mask)] == 0)
    full = search_space.probabilities(LOGITS)
    np.testing.assert_allclose(
        weights[:, 0] / weights[:, 2], full[:, 0] / full[:, 2], rtol=1e-5
    )
    gradient = jax.grad(lambda x: search_space.pruned_weights(x, mask)[0, 0])(LOGITS)
    assert np.all(np.isfinite(gradient))
    assert np.all(np.asarray(gradient)[~np.asarray(mask)] == 0)
    for count in (0, 5):
        with pytest.raises(ValueError, match=f"got {count}"):
            search_space.best_operations(LOGITS, count)


def test_beta_decay_pulls_with_the_softmax():
    gradient = jax.grad(search_space.beta_decay_loss)(LOGITS)
    np.testing.assert_allclose(
        2 * gradient, search_space.probabilities(LOGITS), rtol=1e-5
    )


def test_partial_channels():
    x = jnp.arange(2 * 3 * 8.0).reshape(2, 3, 8)
    out = search_space.partial_channels(x, lambda part: -part, 4)
    # Groups (0 1)(2 3)(4 5)(6 7), the first one mixed, dealt out in turn.
    wanted = x[..., jnp.array([0, 2, 4, 6, 1, 3, 5, 7])]
    sign = jnp.array([-1.0, 1, 1, 1, -1, 1, 1, 1])
    np.testing.assert_array_equal(out, wanted * sign[None, None])
    np.testing.assert_array_equal(
        search_space.partial_channels(x, jnp.sin, 1), jnp.sin(x)
    )
    with pytest.raises(ValueError, match="must divide 8"):
        search_space.partial_channels(x, jnp.sin, 3)
    with pytest.raises(ValueError, match="keep the shape"):
        search_space.partial_channels(x, lambda part: part[:, :1], 4)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", RELAXATIONS)
def test_composes_with_an_estimator(name):
    """The exact one-step estimate is the derivative of the loss after the step."""
    rng = np.random.default_rng(0)
    alpha = jnp.asarray(LOGITS[0], jnp.float64)
    omega = jnp.asarray(rng.normal(size=(4, 3)))
    train, valid = (jnp.asarray(rng.normal(size=(5, 3))) for _ in range(2))

    def loss(omega, alpha, x):
        responses = jnp.tanh(x @ omega.T)  # one candidate a column
        return jnp.mean((responses @ RELAXATIONS[name](alpha) - 1) ** 2)

    def ahead(alpha):
        return loss(omega - 0.3 * jax.grad(loss)(omega, alpha, train), alpha, valid)

    @quick
    def both(alpha):
        hyper, _ = hypergrad.one_step_unroll().estimate(
            hypergrad.BilevelProblem(loss, loss),
            (),
            hypergrad.Point(omega, alpha, train, valid),
            inner_update=hypergrad.gradient_descent(0.3),
        )
        return hyper, jax.grad(ahead)(alpha)

    hyper, wanted = both(alpha)
    np.testing.assert_allclose(hyper.grad, wanted, rtol=1e-9)
    assert (np.abs(hyper.grad).max() > 1e-4) == (name != "one_hot")
