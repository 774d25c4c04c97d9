"""Problems with an answer: stationary solutions, references by central differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax.hypergrad import problems

pytestmark = pytest.mark.usefixtures("x64")


def examples():
    """Made inside the tests, where they are in double precision."""
    rng = np.random.default_rng(0)

    def regression(n):
        x = jnp.asarray(rng.normal(size=(n, 6)))
        return x, x @ jnp.arange(6.0) + jnp.asarray(rng.normal(size=n))

    def digits(n):
        x = jnp.asarray(rng.normal(size=(n, 4)))
        return x, jnp.asarray(rng.integers(0, 3, n))

    return {
        "quadratic": problems.quadratic(jax.random.key(1), condition=30.0),
        "ridge": problems.ridge(regression(20), regression(15)),
        "hyper_cleaning": problems.hyper_cleaning(digits(12), digits(9), 3, 0.05),
    }


@pytest.mark.parametrize("name", ["quadratic", "ridge", "hyper_cleaning"])
def test_solution_and_reference(name):
    example = examples()[name]
    problem, point = example.problem, example.point
    outer = point.outer + 0.1
    solution = quick(example.solution)
    omega = solution(outer)
    slope = jax.grad(problem.inner_loss)(omega, outer, point.train_batch)
    assert float(jnp.abs(slope).max()) < 1e-12
    assert omega.shape == point.inner.shape

    def solved(outer):
        return problem.outer_loss(solution(outer), outer, point.valid_batch)

    step = 1e-4 * jnp.eye(outer.size)[:4]
    found = [(solved(outer + e) - solved(outer - e)) / 2e-4 for e in step]
    np.testing.assert_allclose(found, quick(example.reference)(outer)[:4], rtol=1e-5)

    flat = omega.ravel()
    hessian = quick(
        jax.hessian(
            lambda w: problem.inner_loss(
                w.reshape(omega.shape), outer, point.train_batch
            )
        )
    )(flat)
    np.testing.assert_allclose(
        quick(example.smoothness)(outer), jnp.linalg.eigvalsh(hessian)[-1], rtol=1e-9
    )


def test_the_quadratic_has_the_condition_that_it_was_given():
    example = problems.quadratic(jax.random.key(0), condition=50.0)
    hessian = jax.hessian(example.problem.inner_loss)(*example.point[:2], ())
    values = jnp.linalg.eigvalsh(hessian)
    np.testing.assert_allclose(values[-1] / values[0], 50.0, rtol=1e-9)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="condition must be at least 1"):
        problems.quadratic(jax.random.key(0), condition=0.5)
    batch = jnp.zeros((2, 2)), jnp.zeros(2, int)
    with pytest.raises(ValueError, match="penalty must be positive"):
        problems.hyper_cleaning(batch, batch, 2, 0.0)
