"""Hypergradient estimators held against one another."""

from autoreg_jax.workflows.comparison._cleaning import CleaningRow as CleaningRow
from autoreg_jax.workflows.comparison._cleaning import SeedRow as SeedRow
from autoreg_jax.workflows.comparison._compare import PROBLEMS as PROBLEMS
from autoreg_jax.workflows.comparison._compare import compare as compare
from autoreg_jax.workflows.comparison._products import ProductRow as ProductRow
from autoreg_jax.workflows.comparison._table import ComparisonRow as ComparisonRow

__all__ = [
    "PROBLEMS",
    "CleaningRow",
    "ComparisonRow",
    "ProductRow",
    "SeedRow",
    "compare",
]
