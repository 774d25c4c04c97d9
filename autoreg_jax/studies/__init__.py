"""Experiments that compare: methods, tables of the paper, hypergradient estimators."""

from autoreg_jax.studies.bench import BenchProtocol, bench
from autoreg_jax.studies.compare import compare
from autoreg_jax.studies.reproduce import Protocol, reproduce

__all__ = ["BenchProtocol", "Protocol", "bench", "compare", "reproduce"]
