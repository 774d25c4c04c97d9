"""The estimators of a comparison, by the names in its tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from autoreg_jax import hypergrad
from autoreg_jax.hypergrad import HypergradientEstimator

_ON_SUPERNET = (
    "one step",
    "difference of the code",
    "difference of the paper",
    "first order",
    "T1-T2",
    "Neumann 5",
    "conjugate gradient 5",
    "unroll 5",
)
_CLEANING = (
    "one step",
    "difference of the code",
    "T1-T2",
    "Neumann 20",
    "conjugate gradient 10",
)


def all_estimators(rate: float, damping: float) -> dict[str, HypergradientEstimator]:
    """Estimators for a problem with a solution.

    Args:
        rate: 1/L of the inner loss.
        damping: About the smallest eigenvalue of its Hessian.
    """
    return {
        "one step": hypergrad.one_step_unroll(),
        "difference of the code": hypergrad.finite_difference(),
        "difference of the paper": hypergrad.finite_difference(1e-4, normalise=False),
        "T1-T2": hypergrad.t1t2(rate),
        **{f"Neumann {k}": hypergrad.neumann(k, rate) for k in (5, 20, 100)},
        **{
            f"conjugate gradient {k}": hypergrad.conjugate_gradient(k)
            for k in (5, 10, 20)
        },
        "Nyström 20": hypergrad.nystrom(20, damping),
        "warm start 20": hypergrad.warm_started_linear_system(20, rate),
        **{f"unroll {k}": hypergrad.unroll(k) for k in (5, 20, 100)},
        "unroll 100, last 5": hypergrad.unroll(100, truncate=5),
        "value function 100": hypergrad.value_function(100, 100.0),
        "evolution strategies": hypergrad.evolution_strategies(64, 0.01, 5),
    }


def few_outer_estimators() -> dict[str, HypergradientEstimator]:
    """Estimators whose cost grows with the number of outer variables."""
    return {
        "forward mode 20": hypergrad.forward_mode(20),
        "full Hessian": hypergrad.full_hessian(),
    }


def supernet_estimators(rate: float) -> dict[str, HypergradientEstimator]:
    """Estimators that are affordable for a network, with inner steps ξ = `rate`."""
    damped = hypergrad.conjugate_gradient(5, 1.0)
    known = all_estimators(rate, 1.0) | {"first order": hypergrad.first_order()}
    known["conjugate gradient 5"] = damped
    return {name: known[name] for name in _ON_SUPERNET}


def cleaning_estimators(rate: float) -> dict[str, HypergradientEstimator | None]:
    """Estimators for cleaning from start to end; None leaves all weights equal."""
    known = all_estimators(rate, 1.0)
    return {"equal weights": None} | {name: known[name] for name in _CLEANING}


def chosen(estimators: Mapping[str, Any], only: Sequence[str]) -> dict[str, Any]:
    """Estimators whose names start with one of the prefixes; all without prefixes.

    Examples:
        >>> chosen({"Neumann 5": 1, "unroll 5": 2}, ["unroll"])
        {'unroll 5': 2}
    """
    words = tuple(only) or ("",)
    return {name: e for name, e in estimators.items() if name.startswith(words)}
