"""From logits α to weights of a mixture, and whether their ranking has settled."""

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


def is_ranking_stable(
    history: Array,
    patience: int,
    *,
    warm_up: int = 0,
    tolerance: float = 0.0,
    is_full: bool = False,
) -> Array:
    """Whether the ranking along the last axis is the same in the last records.

    The stopping rule of the paper ("ranking stable for 10 epochs", as in DARTS+).
    Values that differ by no more than the tolerance have no order: the zeros with which
    a search starts are not a stable ranking.

    Args:
        history: `(time, ..., option)`: α of one kind, or λ as `(time, weight)`.
        patience: Number of last records that must agree, at least 2.
        warm_up: Number of first records to ignore.
        tolerance: Largest difference (>= 0) that counts as a tie.
        is_full: Compare the order of all options, not only the best one.

    Returns:
        Scalar bool; false as long as there are fewer than `patience` records.

    Raises:
        ValueError: If `patience` is below 2 or there are fewer than two options.

    Examples:
        >>> bool(is_ranking_stable(jnp.zeros((20, 3)), 10))
        False
        >>> bool(is_ranking_stable(jnp.array([[0.1, 0.2]] * 10), 10))
        True

    References:
        Liang et al., "DARTS+: Improved differentiable architecture search with early
        stopping", 2019.
    """
    if patience < 2:
        raise ValueError(f"patience must be at least 2 records, got {patience}.")
    if history.shape[-1] < 2:
        raise ValueError(f"a ranking needs two options, got shape {history.shape}.")
    if len(history) - warm_up < patience:
        return jnp.zeros((), bool)
    recent = history[-patience:]
    order = jnp.argsort(-recent, axis=-1, stable=True)
    ranked = jnp.take_along_axis(recent, order, axis=-1)
    gaps = ranked[..., :-1] - ranked[..., 1:]
    if not is_full:
        order, gaps = order[..., :1], gaps[..., :1]
    return jnp.all(order == order[-1:]) & jnp.all(gaps > tolerance)
