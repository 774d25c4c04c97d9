"""Relaxations: functions from the logits α to the weights of a mixture.

A relaxation maps `(..., operation)` to `(..., operation)`; give one to
`RegistrationNetwork(relaxation=...)`, with `functools.partial` for what else it takes.
The softmax of the paper, `probabilities`, is the default.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

Relaxation = Callable[[Array], Array]


def probabilities(logits: Array) -> Array:
    """Softmax over the operations, the weights of Eq. (3).

    Args:
        logits: `(..., operation)`.

    Returns:
        Same shape, in (0, 1), summing to 1 over the last axis.
    """
    return jax.nn.softmax(logits, axis=-1)


def tempered_weights(logits: Array, temperature: float | Array = 1.0) -> Array:
    """softmax(α / T): from equal weights (T → ∞) to the best operation alone (T → 0).

    Args:
        logits: `(..., operation)`.
        temperature: T > 0; 1 is the softmax of the paper.

    Returns:
        Same shape, in [0, 1], summing to 1 over the last axis.
    """
    return probabilities(logits / temperature)


def sigmoid_weights(logits: Array) -> Array:
    """σ(α): operations do not compete (Fair DARTS, Chu et al., ECCV 2020).

    Args:
        logits: `(..., operation)`.

    Returns:
        Same shape, each in (0, 1).
    """
    return jax.nn.sigmoid(logits)


def one_hot_weights(logits: Array) -> Array:
    """1 for the largest logit, the first one of equals, and 0 for the others.

    The mixture that the decoded network computes; its gradient is zero.

    Args:
        logits: `(..., operation)`.

    Returns:
        Same shape.
    """
    best = jnp.argmax(logits, axis=-1)
    return jax.nn.one_hot(best, logits.shape[-1], dtype=logits.dtype)


def pruned_weights(logits: Array, count: int) -> Array:
    """Softmax over the largest logits of each edge (P-DARTS, Chen et al., 2019).

    Args:
        logits: `(..., operation)`.
        count: Number of operations that stay, from 1 to all; the first ones of equals.

    Returns:
        Same shape, summing to 1 over the last axis; exactly 0 for the other operations.

    Raises:
        ValueError: If `count` is out of its range.

    Examples:
        >>> pruned_weights(jnp.array([0.0, 0.7, 0.7]), 2).tolist()
        [0.0, 0.5, 0.5]
    """
    if not 1 <= count <= logits.shape[-1]:
        raise ValueError(
            f"count must be between 1 and {logits.shape[-1]} operations, got {count}."
        )
    rank = jnp.argsort(jnp.argsort(-logits, axis=-1, stable=True), axis=-1)
    return jax.nn.softmax(jnp.where(rank < count, logits, -jnp.inf), axis=-1)
