"""Experiments that compare: methods, tables of the paper, hypergradient estimators."""

from autoreg_jax.studies.bench import BenchProtocol as BenchProtocol
from autoreg_jax.studies.bench import bench as bench
from autoreg_jax.studies.compare import compare as compare
from autoreg_jax.studies.reproduce import Protocol as Protocol
from autoreg_jax.studies.reproduce import reproduce as reproduce

__all__ = ["BenchProtocol", "Protocol", "bench", "compare", "reproduce"]
