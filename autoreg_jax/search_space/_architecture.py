"""α: the logits that weigh the candidate operations on every edge."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

NUM_SCALES = 2
NUM_EDGES = 3
OPERATIONS = (
    "conv_1",
    "conv_3",
    "conv_5",
    "sep_conv_3",
    "sep_conv_5",
    "dil_conv_3",
    "dil_conv_5",
    "dil_conv_7",
)
# In the fixed feature cells of the published code; never for α to choose.
FIXED_OPERATIONS = ("dil_conv_3_8",)


class ArchitectureLogits(NamedTuple):
    """α_F and α_D, one logit for each (scale, edge, operation).

    Scale 0 works at 1/2 and scale 1 at 1/4 of the resolution of the images; operations
    stand in the order of `OPERATIONS`.

    Attributes:
        feature: α_F, `(2, 3, 8)`.
        deformation: α_D, `(2, 3, 8)`.
    """

    feature: Any
    deformation: Any

    @classmethod
    def zeros(cls) -> "ArchitectureLogits":
        """The start of the search: every operation weighs the same."""
        shape = (NUM_SCALES, NUM_EDGES, len(OPERATIONS))
        return cls(jnp.zeros(shape), jnp.zeros(shape))


def probabilities(logits: Array) -> Array:
    """Softmax over the operations, the weights of Eq. (3).

    Args:
        logits: `(..., operation)`.

    Returns:
        The same shape, in (0, 1), summing to 1 over the last axis.
    """
    return jax.nn.softmax(logits, axis=-1)


def entropy(logits: Array) -> Array:
    """Entropy of the weights of each edge in nats, between 0 and log 8.

    Args:
        logits: `(..., operation)`.

    Returns:
        `(...)`; log 8 ≈ 2.08 while the search has not decided, 0 when it is certain.
    """
    logs = jax.nn.log_softmax(logits, axis=-1)
    return -jnp.sum(jnp.exp(logs) * logs, axis=-1)
