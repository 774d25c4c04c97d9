"""How far a registration can be trusted, and in words why not."""

from autoreg_jax.inference.trust._evidence import Evidence, collect
from autoreg_jax.inference.trust._mirror import directions
from autoreg_jax.inference.trust._pair import evidence_of
from autoreg_jax.inference.trust._verdict import THRESHOLDS, Trust

__all__ = ["THRESHOLDS", "Evidence", "Trust", "collect", "directions", "evidence_of"]
