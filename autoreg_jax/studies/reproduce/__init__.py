"""The tables and figures of the paper, from runs on the data at hand."""

from autoreg_jax.studies.reproduce._experiment import Protocol
from autoreg_jax.studies.reproduce._reproduce import (
    EXPERIMENTS,
    Reproduction,
    reproduce,
)

__all__ = ["EXPERIMENTS", "Protocol", "Reproduction", "reproduce"]
