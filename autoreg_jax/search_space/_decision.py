"""How decided a search is: gaps, rankings that stay, the price of discretisation."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.search_space._architecture import probabilities
from autoreg_jax.search_space._relaxation import one_hot_weights


def top_two_gap(logits: Array) -> Array:
    """Difference between the two largest softmax weights of each edge.

    Args:
        logits: `(..., operation)`, two operations or more.

    Returns:
        `(...)`, in [0, 1]: 0 where two operations tie, 1 where one of them is certain.
    """
    best, _ = jax.lax.top_k(probabilities(logits), 2)
    return best[..., 0] - best[..., 1]


def is_ranking_stable(
    history: Array,
    patience: int,
    *,
    warm_up: int = 0,
    tolerance: float = 0.0,
    is_full: bool = False,
) -> Array:
    """Whether the ranking of the last axis has been the same for `patience` records.

    The stop rule of the paper ("ranking stable for 10 epochs", as in DARTS+). Values
    that differ by no more than the tolerance have no order: zeros, with which a search
    starts, are not a stable ranking.

    Args:
        history: `(time, ..., option)`: α of one kind, or λ as `(time, weight)`.
        patience: Records that must agree, at least 2.
        warm_up: First records, which do not count.
        tolerance: Smallest difference that is an order (>= 0).
        is_full: Compare the order of all options, not the best one alone.

    Returns:
        Scalar bool; false while there are fewer than `patience` records.

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


def discretisation_gap(
    loss: Callable[[Array], Array], logits: Array
) -> tuple[Array, Array]:
    """What it costs to keep the best operation of each edge and drop the rest.

    Args:
        loss: Weights of the mixture `(..., operation)` to the validation loss, with
            fixed ω.
        logits: `(..., operation)`.

    Returns:
        The loss of the mixture, and by how much that of the one-hot weights is larger.
    """
    mixed = loss(probabilities(logits))
    return mixed, loss(one_hot_weights(logits)) - mixed
