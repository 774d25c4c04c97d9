"""The tables and figures of the paper, on the data at hand."""

from autoreg_jax.studies.reproduce._experiment import Protocol
from autoreg_jax.studies.reproduce._reproduce import (
    EXPERIMENTS,
    Reproduction,
    reproduce,
)
from autoreg_jax.studies.reproduce._table import Table

__all__ = ["EXPERIMENTS", "Protocol", "Reproduction", "Table", "reproduce"]
