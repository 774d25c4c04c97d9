"""Problems with an answer: stationary solutions, references by central differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax.hypergrad import minibatches, problems

pytestmark = pytest.mark.usefixtures("x64")


def regression(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6))
    return jnp.asarray(x), jnp.asarray(x @ np.arange(6.0) + rng.normal(size=n))


def digits(n, seed):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=(n, 4))), jnp.asarray(rng.integers(0, 3, n))


# Made inside the programs of the tests, where they are in double precision.
EXAMPLES = {
    "quadratic": lambda: problems.quadratic(jax.random.key(1), condition=30.0),
    "ridge": lambda: problems.ridge(regression(20, 0), regression(15, 1)),
    "hyper_cleaning": lambda: problems.hyper_cleaning(
        digits(12, 0), digits(9, 1), 3, 0.05
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_solution_and_reference(name):
    @quick
    def facts():
        example = EXAMPLES[name]()
        problem, point = example.problem, example.point
        outer = point.outer + 0.1

        def inner_loss(flat):
            omega = flat.reshape(point.inner.shape)
            return problem.inner_loss(omega, outer, point.train_batch)

        def solved(outer):
            omega = example.solution(outer)
            return problem.outer_loss(omega, outer, point.valid_batch)

        omega = example.solution(outer)
        step = 1e-4 * jnp.eye(outer.size)[:4]
        values = jax.lax.map(solved, outer[None] + jnp.concatenate([step, -step]))
        return {
            "shapes": (omega, point.inner),
            "slope": jax.grad(inner_loss)(omega.ravel()),
            "difference": (values[:4] - values[4:]) / 2e-4,
            "reference": example.reference(outer),
            "hessian": jax.hessian(inner_loss)(omega.ravel()),
            "smoothness": example.smoothness(outer),
        }

    found = jax.device_get(facts())
    assert np.abs(found["slope"]).max() < 1e-12
    omega, start = found["shapes"]
    assert omega.shape == start.shape
    reference = found["reference"][:4]
    np.testing.assert_allclose(found["difference"], reference, rtol=1e-5)
    largest = np.linalg.eigvalsh(found["hessian"])[-1]
    np.testing.assert_allclose(found["smoothness"], largest, rtol=1e-9)


def test_batches_of_hyper_cleaning_have_the_mean_of_the_whole():
    train, valid = digits(12, 0), digits(9, 1)

    @quick
    def both():
        example = problems.hyper_cleaning(train, valid, 3, 0.05)
        outer, inner = jnp.linspace(-2.0, 2.0, 12), jnp.arange(12.0).reshape(4, 3) / 6
        sampler = minibatches((*train, jnp.arange(12)), valid, 4, 3)
        loss = jax.grad(example.problem.inner_loss, argnums=(0, 1))
        parts = [loss(inner, outer, sampler.take(i, 0)[0]) for i in range(3)]
        return loss(inner, outer, train), jax.tree.map(lambda *x: sum(x) / 3, *parts)

    for whole, mean in zip(*both(), strict=True):
        np.testing.assert_allclose(mean, whole, rtol=1e-12)
        assert np.abs(whole).max() > 1e-3


def test_the_quadratic_has_the_condition_that_it_was_given():
    @quick
    def hessian():
        example = problems.quadratic(jax.random.key(0), condition=50.0)
        return jax.hessian(example.problem.inner_loss)(*example.point[:2], ())

    values = np.linalg.eigvalsh(hessian())
    np.testing.assert_allclose(values[-1] / values[0], 50.0, rtol=1e-9)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="condition must be at least 1"):
        problems.quadratic(jax.random.key(0), condition=0.5)
    batch = jnp.zeros((2, 2)), jnp.zeros(2, int)
    with pytest.raises(ValueError, match="penalty must be positive"):
        problems.hyper_cleaning(batch, batch, 2, 0.0)
