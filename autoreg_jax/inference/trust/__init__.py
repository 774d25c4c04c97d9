"""How far a registration can be trusted, and in words why not."""

from autoreg_jax.inference.trust._difference import (
    Difference,
    apart,
    spread,
    there_and_back,
)
from autoreg_jax.inference.trust._evidence import Evidence, collect
from autoreg_jax.inference.trust._mirror import directions
from autoreg_jax.inference.trust._pair import evidence_of, repetition_of
from autoreg_jax.inference.trust._repeated import Repeated, Repetition, repeat, shown
from autoreg_jax.inference.trust._usual import Done, Usual, done
from autoreg_jax.inference.trust._verdict import THRESHOLDS, Trust

__all__ = [
    "THRESHOLDS",
    "Difference",
    "Done",
    "Evidence",
    "Repeated",
    "Repetition",
    "Trust",
    "Usual",
    "apart",
    "collect",
    "directions",
    "done",
    "evidence_of",
    "repeat",
    "repetition_of",
    "shown",
    "spread",
    "there_and_back",
]
