"""Studies: rivals side by side, the paper's tables, hypergradient estimators."""

from autoreg_jax.studies._table import Column, Table
from autoreg_jax.studies.bench import BenchProtocol, Method, RivalNetwork, bench
from autoreg_jax.studies.compare import compare
from autoreg_jax.studies.reproduce import Protocol, reproduce

__all__ = [
    "BenchProtocol",
    "Column",
    "Method",
    "Protocol",
    "RivalNetwork",
    "Table",
    "bench",
    "compare",
    "reproduce",
]
