"""This project and its rivals on the same pairs, in one table."""

from autoreg_jax.studies.bench._bench import Bench as Bench
from autoreg_jax.studies.bench._bench import bench as bench
from autoreg_jax.studies.bench._methods import method_names as method_names
from autoreg_jax.studies.bench._process import Limits as Limits
from autoreg_jax.studies.bench._session import BenchProtocol as BenchProtocol

__all__ = ["Bench", "BenchProtocol", "Limits", "bench", "method_names"]
