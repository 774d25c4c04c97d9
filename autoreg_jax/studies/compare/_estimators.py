"""The estimators of a comparison, by the names that its tables show."""

from collections.abc import Mapping, Sequence
from typing import Any

from autoreg_jax import hypergrad
from autoreg_jax.hypergrad import HypergradientEstimator


def all_estimators(
    learning_rate: float, damping: float
) -> dict[str, HypergradientEstimator]:
    """Everything that there is, on a problem with a solution.

    Args:
        learning_rate: 1/L of the inner loss.
        damping: Of the order of the smallest eigenvalue of its Hessian.

    Returns:
        Estimators by name and settings.
    """
    rate = learning_rate
    return {
        "one step": hypergrad.one_step_unroll(),
        "difference of the code": hypergrad.finite_difference(),
        "difference of the paper": hypergrad.finite_difference(1e-4, normalise=False),
        "T1-T2": hypergrad.t1t2(rate),
        "Neumann 5": hypergrad.neumann(5, rate),
        "Neumann 20": hypergrad.neumann(20, rate),
        "Neumann 100": hypergrad.neumann(100, rate),
        "conjugate gradient 5": hypergrad.conjugate_gradient(5),
        "conjugate gradient 10": hypergrad.conjugate_gradient(10),
        "conjugate gradient 20": hypergrad.conjugate_gradient(20),
        "Nyström 20": hypergrad.nystrom(20, damping),
        "warm start 20": hypergrad.warm_started_linear_system(20, rate),
        "unroll 5": hypergrad.unroll(5),
        "unroll 20": hypergrad.unroll(20),
        "unroll 100": hypergrad.unroll(100),
        "unroll 100, last 5": hypergrad.unroll(100, truncate=5),
        "value function 100": hypergrad.value_function(100, 100.0),
        "evolution strategies": hypergrad.evolution_strategies(64, 0.01, 5),
    }


def few_outer_estimators() -> dict[str, HypergradientEstimator]:
    """Those whose price grows with the number of outer variables."""
    return {
        "forward mode 20": hypergrad.forward_mode(20),
        "full Hessian": hypergrad.full_hessian(),
    }


def supernet_estimators(learning_rate: float) -> dict[str, Any]:
    """Those that a network can pay for; the first is what a search has by default.

    Args:
        learning_rate: ξ of the inner steps.

    Returns:
        Estimators by name and settings.
    """
    return {
        "one step": hypergrad.one_step_unroll(),
        "difference of the code": hypergrad.finite_difference(),
        "difference of the paper": hypergrad.finite_difference(1e-4, normalise=False),
        "first order": hypergrad.first_order(),
        "T1-T2": hypergrad.t1t2(learning_rate),
        "Neumann 5": hypergrad.neumann(5, learning_rate),
        "conjugate gradient 5": hypergrad.conjugate_gradient(5, 1.0),
        "unroll 5": hypergrad.unroll(5),
    }


def cleaning_estimators(
    learning_rate: float,
) -> dict[str, HypergradientEstimator | None]:
    """The few that are run from start to end; None leaves all weights equal."""
    return {
        "equal weights": None,
        "one step": hypergrad.one_step_unroll(),
        "difference of the code": hypergrad.finite_difference(),
        "T1-T2": hypergrad.t1t2(learning_rate),
        "Neumann 20": hypergrad.neumann(20, learning_rate),
        "conjugate gradient 10": hypergrad.conjugate_gradient(10),
    }


def chosen(estimators: Mapping[str, Any], only: Sequence[str]) -> dict[str, Any]:
    """Those whose names begin with one of some words; all where there are no words.

    Examples:
        >>> chosen({"Neumann 5": 1, "unroll 5": 2}, ["unroll"])
        {'unroll 5': 2}
    """
    words = tuple(only) or ("",)
    return {name: e for name, e in estimators.items() if name.startswith(words)}
