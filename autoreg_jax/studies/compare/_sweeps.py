"""How the error depends on the probe of a difference and on the number of terms."""

from collections.abc import Callable, Iterable
from typing import Any

import jax

from autoreg_jax import hypergrad
from autoreg_jax.hypergrad.problems import Example

RADII = tuple(10.0**power for power in range(-5, 1))
TERMS = (1, 2, 5, 10, 20, 50, 100)


def radius_sweep(example: Example, inner_update: Any) -> dict[str, list[float]]:
    """Relative error of the indirect part by differences against the exact one.

    Args:
        example: The problem; ω is a little beside its start, which is often zero.
        inner_update: The inner step.

    Returns:
        Errors at `RADII`, by name.
    """
    omega = jax.tree.map(lambda leaf: leaf + 0.1, example.point.inner)
    exact = _estimate(hypergrad.one_step_unroll(), example, omega, inner_update)

    def error(radius: float, *, normalise: bool) -> float:
        estimator = hypergrad.finite_difference(radius, normalise=normalise)
        found = _estimate(estimator, example, omega, inner_update)
        agreement = hypergrad.agreement(found.indirect, exact.indirect)
        return float(agreement.relative_error)

    return {
        "probe of this length": [error(r, normalise=True) for r in RADII],
        "probe times the gradient": [error(r, normalise=False) for r in RADII],
    }


def term_sweep(
    example: Example, learning_rate: float, inner_update: Any
) -> dict[str, list[float]]:
    """Relative error of series, solver and unroll against the true hypergradient.

    Series and solver stand at ω*, the unroll begins where the example does.

    Args:
        example: The problem.
        learning_rate: 1/L.
        inner_update: The inner step.

    Returns:
        Errors at `TERMS`, by name.
    """
    reference = jax.jit(example.reference)(example.point.outer)
    optimum = jax.jit(example.solution)(example.point.outer)

    def errors(make: Callable[[int], Any], omega: Any) -> Iterable[float]:
        for count in TERMS:
            found = _estimate(make(count), example, omega, inner_update)
            yield float(hypergrad.agreement(found.grad, reference).relative_error)

    def series(count: int) -> Any:
        return hypergrad.neumann(count, learning_rate)

    return {
        "Neumann series": list(errors(series, optimum)),
        "conjugate gradient": list(errors(hypergrad.conjugate_gradient, optimum)),
        "unroll": list(errors(hypergrad.unroll, example.point.inner)),
    }


def _estimate(estimator: Any, example: Example, omega: Any, inner_update: Any) -> Any:
    @jax.jit
    def run(point: hypergrad.Point) -> Any:
        state = estimator.init(point.inner, point.outer)
        hyper, _ = estimator.estimate(
            example.problem, state, point, inner_update=inner_update
        )
        return hyper

    return run(example.point._replace(inner=omega))
