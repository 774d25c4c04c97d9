"""α: the logits that weigh the candidate operations on every edge."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from autoreg_jax.search_space._candidates import (
    CANDIDATES,
    Candidate,
    searched_names,
)

NUM_SCALES = 2
NUM_EDGES = 3


class ArchitectureLogits(NamedTuple):
    """α_F and α_D, one logit for each (scale, edge, operation).

    Scale 0 works at 1/2 and scale 1 at 1/4 of the resolution of the images; operations
    are in the order of the table, by default that of `OPERATIONS`.

    Attributes:
        feature: α_F, `(2, 3, operation)`.
        deformation: α_D, `(2, 3, operation)`.
    """

    feature: Any
    deformation: Any

    @classmethod
    def zeros(
        cls, candidates: Sequence[Candidate] = CANDIDATES
    ) -> "ArchitectureLogits":
        """Start of the search: every searched operation has the same weight."""
        shape = (NUM_SCALES, NUM_EDGES, len(searched_names(candidates)))
        return cls(jnp.zeros(shape), jnp.zeros(shape))

    def check(self, candidates: Sequence[Candidate]) -> None:
        """Refuse logits that do not fit a table of operations.

        Args:
            candidates: Table of operations.

        Raises:
            ValueError: If a shape is not `(2, 3, operation)`.
        """
        wanted = NUM_SCALES, NUM_EDGES, len(searched_names(candidates))
        for kind, logits in self._asdict().items():
            if logits.shape != wanted:
                raise ValueError(
                    f"alpha.{kind} has shape {logits.shape}; the table of candidates "
                    f"needs {wanted}."
                )
