"""The descent that refinement and registration without a model share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax.inference.optimisation._optimise import (
    BestSoFar,
    Descent,
    best_so_far,
    descend,
)

TARGET = jnp.array([1.0, -0.5])


def run(num_iterations, **options):
    """Best iterate, its loss, the loss of `safe`, and the number of evaluations."""
    evaluated = []

    def loss(x):
        jax.debug.callback(lambda _: evaluated.append(1), x)
        return jnp.sum((x - TARGET) ** 2)

    options = {"safe": jnp.zeros(2), "start": jnp.ones(2), **options}
    found = descend(loss, num_iterations=num_iterations, learning_rate=0.1, **options)
    jax.effects_barrier()
    return (found.best, found.loss, found.first_loss), len(evaluated)


def test_takes_all_its_steps_and_finds_the_minimum():
    (best, best_loss, safe_loss), count = run(200)
    np.testing.assert_allclose(best, TARGET, atol=1e-3)
    assert best_loss < 1e-5
    assert safe_loss == pytest.approx(1.25)
    assert count == 200 + 2


def test_ends_early_where_the_loss_is_flat():
    (best, _, _), count = run(200, ends_early=True)
    np.testing.assert_allclose(best, TARGET, atol=0.05)
    assert 20 < count < 150


def test_the_first_step_sets_out_from_the_start():
    (best, best_loss, _), count = run(1, safe=jnp.full(2, 5.0))
    np.testing.assert_allclose(best, [1.0, 0.9], atol=1e-3)
    assert best_loss == pytest.approx(1.4**2, rel=1e-3)
    assert count == 3


def test_what_is_safe_comes_back_where_nothing_is_better():
    safe = TARGET + 0.01
    (best, best_loss, safe_loss), _ = run(3, safe=safe, start=jnp.full(2, 100.0))
    assert (best == safe).all()
    assert best_loss == safe_loss


def test_the_best_iterate_of_any_step_is_kept():
    @best_so_far
    def step(state):
        x = state.iterate
        return Descent(state.num_evaluations + 1, x + 1, (x - 2.0) ** 2, None)

    zero, infinite = jnp.zeros(()), jnp.asarray(jnp.inf)
    first = Descent(0, zero, infinite, None)
    state = BestSoFar(first, zero, infinite, infinite, infinite, 0)
    for _ in range(5):
        state = step(state)
    assert (state.best, state.loss, state.first_loss) == (2.0, 0.0, 4.0)
    assert state.descent.iterate == 5
    assert state.num_idle == 2
