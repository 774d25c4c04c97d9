"""Hypergradient estimators held against one another."""

from autoreg_jax.studies.compare._cleaning import CleaningRow, SeedRow
from autoreg_jax.studies.compare._compare import PROBLEMS, compare
from autoreg_jax.studies.compare._products import ProductRow
from autoreg_jax.studies.compare._table import ComparisonRow

__all__ = [
    "PROBLEMS",
    "CleaningRow",
    "ComparisonRow",
    "ProductRow",
    "SeedRow",
    "compare",
]
