"""Whether the ranking of the options of a search has settled."""

import jax.numpy as jnp
from jax import Array


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
