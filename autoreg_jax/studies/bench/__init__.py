"""This project and its rivals on the same pairs, in one table."""

from autoreg_jax.studies.bench._bench import Bench, bench
from autoreg_jax.studies.bench._methods import (
    Method,
    RivalNetwork,
    default_methods,
    method_names,
)
from autoreg_jax.studies.bench._process import Limits, MethodFailedError, MethodProcess
from autoreg_jax.studies.bench._session import BenchProtocol
from autoreg_jax.studies.bench._tables import PairedDifference, paired_difference

__all__ = [
    "Bench",
    "BenchProtocol",
    "Limits",
    "Method",
    "MethodFailedError",
    "MethodProcess",
    "PairedDifference",
    "RivalNetwork",
    "bench",
    "default_methods",
    "method_names",
    "paired_difference",
]
