"""Hypergradient estimators held against one another."""

from autoreg_jax.studies.compare._cleaning import CleaningRow as CleaningRow
from autoreg_jax.studies.compare._cleaning import SeedRow as SeedRow
from autoreg_jax.studies.compare._compare import PROBLEMS as PROBLEMS
from autoreg_jax.studies.compare._compare import compare as compare
from autoreg_jax.studies.compare._products import ProductRow as ProductRow
from autoreg_jax.studies.compare._table import ComparisonRow as ComparisonRow

__all__ = [
    "PROBLEMS",
    "CleaningRow",
    "ComparisonRow",
    "ProductRow",
    "SeedRow",
    "compare",
]
