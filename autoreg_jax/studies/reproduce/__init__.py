"""The tables and figures of the paper, on the data at hand."""

from autoreg_jax.studies.reproduce._experiment import Protocol as Protocol
from autoreg_jax.studies.reproduce._reproduce import EXPERIMENTS as EXPERIMENTS
from autoreg_jax.studies.reproduce._reproduce import Reproduction as Reproduction
from autoreg_jax.studies.reproduce._reproduce import reproduce as reproduce
from autoreg_jax.studies.reproduce._table import Table as Table

__all__ = ["EXPERIMENTS", "Protocol", "Reproduction", "Table", "reproduce"]
