"""Hypergradient estimators compared with one another."""

from autoreg_jax.studies.compare._compare import COLUMNS, PROBLEMS, compare

__all__ = ["COLUMNS", "PROBLEMS", "compare"]
