"""The hypergradient estimator of a configuration, compiled for the search."""

import inspect
from functools import partial
from typing import Any

import jax

from autoreg_jax import hypergrad
from autoreg_jax.config import HypergradientConfig
from autoreg_jax.hypergrad import HypergradientEstimator, MixedBackend
from autoreg_jax.programs._compiled import quick_compilation

# These call the compiled derivatives of the problem a few times and need no compilation
# of their own. All others loop over derivatives, so the loop is compiled as a whole.
STRAIGHT = ("finite_difference", "first_order", "one_step_unroll", "t1t2")


def make_estimator(
    settings: HypergradientConfig, learning_rate: float
) -> HypergradientEstimator:
    """Create the estimator that the settings name.

    The name is that of a factory in `autoreg_jax.hypergrad`; each of its parameters
    that stands in the table below takes the value there, the others their default.

    Args:
        settings: Name and options.
        learning_rate: ξ of the inner steps and of the series.
    """
    values = {
        "damping": settings.damping,
        "iterations": settings.steps,
        "learning_rate": learning_rate,
        "mixed": _backend(settings),
        "normalise": settings.normalise,
        "pairs": settings.pairs,
        "penalty": settings.penalty,
        "radius": settings.radius,
        "rank": settings.steps,
        "sigma": settings.sigma,
        "steps": settings.steps,
        "terms": settings.steps,
    }
    factory = getattr(hypergrad, settings.name)
    parameters = inspect.signature(factory).parameters
    return factory(**{name: values[name] for name in parameters if name in values})


def compiled_estimator(
    estimator: HypergradientEstimator,
    problem: hypergrad.BilevelProblem,
    look_ahead: Any,
) -> HypergradientEstimator:
    """Compile an estimator and its problem to one program.

    Args:
        estimator: Any estimator, also one that is not part of the library.
        problem: The problem, not compiled. The returned `estimate` ignores the one it
            is given: that of the search has compiled derivatives, and a program within
            a program is compiled twice.
        look_ahead: The inner update, which replaces the one given to `estimate`.
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
