"""Estimates take the floating-point operations that their formulas say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax import hypergrad as hg

# What users compile is counted.
pytestmark = pytest.mark.optimised

# Products with the weights dominate: the rest is below a tenth of the operations.
BATCH, WIDTH, OPERATIONS = 64, 24, 3


def loss(omega, alpha, batch):
    """Two mixed dense layers and a linear one."""
    x, target = batch
    for kernels, logits in zip(omega["edges"], alpha, strict=True):
        responses = jnp.tanh(jnp.einsum("bi,oij->obj", x, kernels))
        x = jnp.einsum("o,obj->bj", jax.nn.softmax(logits), responses)
    return jnp.mean((x @ omega["head"] - target) ** 2)


def setting():
    rng = np.random.default_rng(0)

    def normal(*shape):
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    omega = {
        "edges": normal(2, OPERATIONS, WIDTH, WIDTH) / WIDTH**0.5,
        "head": normal(WIDTH, 2),
    }
    batches = [(normal(BATCH, WIDTH), normal(BATCH, 2)) for _ in range(2)]
    return omega, normal(2, OPERATIONS), *batches


OMEGA, ALPHA, TRAIN, VALID = setting()


def flops(function, *more):
    """XLA counts the body of a loop once: right for loops of one iteration."""
    compiled = jax.jit(function).lower(OMEGA, ALPHA, *more).compile()
    return compiled.cost_analysis()["flops"]


@pytest.fixture(scope="module")
def pieces():
    def product(part):
        def run(omega, alpha, u):
            return hg.forward_over_reverse(loss, omega, alpha, TRAIN, u, u)[part]

        return flops(run, OMEGA)

    return {
        "gradient": flops(lambda o, a: jax.grad(loss)(o, a, TRAIN)),
        "alpha": flops(lambda o, a: jax.grad(loss, 1)(o, a, TRAIN)),
        "outer": flops(lambda o, a: jax.value_and_grad(loss, (0, 1))(o, a, VALID)),
        "hessian": product(slice(0, 1)),
        "mixed": product(slice(1, 2)),
        "both": product(slice(0, 2)),
    }


FORMULAS = {
    "first_order": (hg.first_order(), {"alpha": 1}),
    "one_step_unroll": (
        hg.one_step_unroll(),
        {"gradient": 1, "outer": 1, "mixed": 1},
    ),
    "finite_difference": (
        hg.finite_difference(),
        {"gradient": 1, "outer": 1, "alpha": 2},
    ),
    "t1t2": (hg.t1t2(0.1), {"outer": 1, "mixed": 1}),
    "unroll_1": (hg.unroll(1), {"gradient": 1, "outer": 1, "mixed": 1}),
    "neumann_1": (hg.neumann(1, 0.1), {"outer": 1, "hessian": 1, "mixed": 1}),
    # Both trajectories begin at ω, whose gradient is computed once.
    "value_function_1": (hg.value_function(1, 10.0), {"gradient": 2, "alpha": 3}),
}


# Of the same pieces as those that stay.
ALIKE = {"t1t2", "unroll_1", "value_function_1"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in ALIKE else [])
        for name in FORMULAS
    ],
)
def test_an_estimate_costs_what_its_formula_says(name, pieces):
    estimator, formula = FORMULAS[name]
    problem = hg.BilevelProblem(loss, loss)

    def estimate(omega, alpha):
        return estimator.estimate(
            problem,
            (),
            hg.Point(omega, alpha, TRAIN, VALID),
            inner_update=hg.gradient_descent(0.1),
        )[0].grad

    predicted = sum(count * pieces[piece] for piece, count in formula.items())
    # 3 % where this was written; the rest is for other versions of XLA.
    assert flops(estimate) == pytest.approx(predicted, rel=0.15)


def test_products_cost_two_gradients_and_less(pieces):
    gradient = pieces["gradient"]
    assert pieces["hessian"] == pytest.approx(2 * gradient, rel=0.3)
    assert pieces["mixed"] < 0.8 * pieces["hessian"]
