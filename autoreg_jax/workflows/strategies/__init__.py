"""Ways to search, one row each: `SearchJob -> SearchResult`."""

from collections.abc import Mapping
from types import MappingProxyType

from autoreg_jax.workflows._job import SearchJob, SearchResult, Strategy
from autoreg_jax.workflows.strategies._darts import darts, stages
from autoreg_jax.workflows.strategies._optuna import optuna_search
from autoreg_jax.workflows.strategies._perturbation import perturbation
from autoreg_jax.workflows.strategies._race import comparisons, race
from autoreg_jax.workflows.strategies._random import random_search

__all__ = [
    "BY_TRIALS",
    "STRATEGIES",
    "SearchJob",
    "SearchResult",
    "Strategy",
    "comparisons",
    "darts",
    "optuna_search",
    "perturbation",
    "race",
    "random_search",
    "stages",
]

STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        "darts": darts,
        "optuna": optuna_search,
        "perturbation": perturbation,
        "race": race,
        "random": random_search,
    }
)
"""The strategies by the names of `search.strategy`."""

BY_TRIALS = ("optuna", "race", "random")
"""Those that train candidates in full."""
