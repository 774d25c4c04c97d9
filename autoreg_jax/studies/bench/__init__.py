"""This project and its rivals on the same pairs, in one table."""

from autoreg_jax.studies.bench._bench import Bench, bench
from autoreg_jax.studies.bench._methods import method_names
from autoreg_jax.studies.bench._process import Limits
from autoreg_jax.studies.bench._session import BenchProtocol

__all__ = ["Bench", "BenchProtocol", "Limits", "bench", "method_names"]
