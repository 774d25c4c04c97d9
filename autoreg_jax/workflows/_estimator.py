"""The hypergradient estimator that a configuration names, ready for the search."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from autoreg_jax import hypergrad
from autoreg_jax.config import HypergradientConfig
from autoreg_jax.hypergrad import HypergradientEstimator, MixedBackend
from autoreg_jax.runtime import quick_compilation

# Called as they are, these ask for compiled derivatives a few times. The others loop
# over derivatives, and the loop is compiled as a whole.
STRAIGHT = ("finite_difference", "first_order", "one_step_unroll", "t1t2")


def make_estimator(
    settings: HypergradientConfig, learning_rate: float
) -> HypergradientEstimator:
    """The estimator of the library.

    Args:
        settings: Its name and options.
        learning_rate: ξ of the inner steps, also the one of the series.
    """
    steps, pairs, sigma = settings.steps, settings.pairs, settings.sigma
    mixed = _backend(settings)
    makers: dict[str, Callable[[], HypergradientEstimator]] = {
        "conjugate_gradient": lambda: hypergrad.conjugate_gradient(
            steps, settings.damping, mixed=mixed
        ),
        "evolution_strategies": lambda: hypergrad.evolution_strategies(
            pairs, sigma, steps
        ),
        "finite_difference": lambda: hypergrad.finite_difference(
            settings.radius, normalise=settings.normalise
        ),
        "first_order": hypergrad.first_order,
        "forward_mode": lambda: hypergrad.forward_mode(steps),
        "neumann": lambda: hypergrad.neumann(steps, learning_rate, mixed=mixed),
        "nystrom": lambda: hypergrad.nystrom(steps, settings.damping, mixed=mixed),
        "one_step_unroll": lambda: hypergrad.one_step_unroll(mixed=mixed),
        "persistent_evolution_strategies": lambda: (
            hypergrad.persistent_evolution_strategies(pairs, sigma, steps)
        ),
        "t1t2": lambda: hypergrad.t1t2(learning_rate, mixed=mixed),
        "unroll": lambda: hypergrad.unroll(steps, mixed=mixed),
        "value_function": lambda: hypergrad.value_function(steps, settings.penalty),
        "warm_started_linear_system": lambda: hypergrad.warm_started_linear_system(
            steps, learning_rate, mixed=mixed
        ),
    }
    return makers[settings.name]()


def compiled_estimator(
    estimator: HypergradientEstimator,
    problem: hypergrad.BilevelProblem,
    look_ahead: Any,
) -> HypergradientEstimator:
    """The same estimator on one problem, as one program.

    Args:
        estimator: Any.
        problem: Of which it estimates the hypergradient, whatever it is given later:
            the problem of the search has derivatives that are compiled already, and a
            program within a program is compiled twice.
        look_ahead: The inner step that it looks through.
    """

    @partial(jax.jit, compiler_options=quick_compilation())
    def compiled(state: Any, point: hypergrad.Point) -> Any:
        return estimator.estimate(problem, state, point, inner_update=look_ahead)

    def estimate(
        problem: hypergrad.BilevelProblem,
        state: Any,
        point: hypergrad.Point,
        *,
        inner_update: Any,
    ) -> tuple[hypergrad.Hypergradient, Any]:
        del problem, inner_update
        return compiled(state, point)

    return HypergradientEstimator(estimator.init, estimate)


def _backend(settings: HypergradientConfig) -> MixedBackend:
    if settings.mixed == "central_difference":
        return hypergrad.central_difference(
            settings.radius, normalise=settings.normalise
        )
    backends = {
        "forward_over_reverse": hypergrad.forward_over_reverse,
        "reverse_over_forward": hypergrad.reverse_over_forward,
    }
    return backends[settings.mixed]
