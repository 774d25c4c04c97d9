"""Ways to search, one row each: `SearchJob -> SearchResult`."""

from collections.abc import Mapping
from types import MappingProxyType

from autoreg_jax.workflows._job import SearchJob, SearchResult, Strategy
from autoreg_jax.workflows.strategies._darts import darts, stages
from autoreg_jax.workflows.strategies._perturbation import perturbation
from autoreg_jax.workflows.strategies._random import random_search

__all__ = [
    "STRATEGIES",
    "SearchJob",
    "SearchResult",
    "Strategy",
    "darts",
    "perturbation",
    "random_search",
    "stages",
]

STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {"darts": darts, "perturbation": perturbation, "random": random_search}
)
"""The strategies by the names of `search.strategy`."""
