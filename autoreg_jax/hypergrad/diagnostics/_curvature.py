"""Curvature of the outer loss in the outer variable, and a stopping rule on it."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from autoreg_jax.hypergrad._base import Outer


class EigenvalueStop(NamedTuple):
    """Decision of `eigenvalue_stop`.

    Attributes:
        ratio: Smoothed eigenvalue over the one `lag` records ago; 0 until both exist.
        should_stop: Whether the ratio exceeds its limit. Keep the architecture of
            `lag` records ago.
    """

    ratio: Array
    should_stop: Array


def outer_hessian(loss: Callable[[Outer], Array], outer: Outer) -> Array:
    """∇²_a L_v as a symmetric matrix, one forward derivative for each column.

    α has 96 entries and λ four, so the matrix is small; computing one column at a time
    needs no more memory than two gradients.

    Args:
        loss: The outer loss as a function of the outer variable, ω and batch fixed.
        outer: a, a tree of n numbers.

    Returns:
        `(n, n)`, in the order of `jax.flatten_util.ravel_pytree`.
    """
    flat, unravel = ravel_pytree(outer)
    gradient = jax.grad(lambda vector: loss(unravel(vector)))

    def column(direction: Array) -> Array:
        return jax.jvp(gradient, (flat,), (direction,))[1]

    matrix = jax.lax.map(column, jnp.eye(flat.size, dtype=flat.dtype))
    return 0.5 * (matrix + matrix.T)


def largest_eigenvalue(loss: Callable[[Outer], Array], outer: Outer) -> Array:
    """Largest eigenvalue of ∇²_a L_v, which grows as a search approaches sharp minima.

    Args:
        loss: The outer loss as a function of the outer variable, ω and batch fixed.
        outer: a.

    Returns:
        Scalar.

    Examples:
        >>> curved = lambda a: a["x"] ** 2 + 3 * a["y"] ** 2
        >>> round(float(largest_eigenvalue(curved, {"x": 1.0, "y": 2.0})), 4)
        6.0

    References:
        Zela et al., "Understanding and robustifying differentiable architecture
        search", ICLR 2020.
    """
    return jnp.linalg.eigvalsh(outer_hessian(loss, outer))[-1]


def eigenvalue_stop(
    history: Array, *, window: int = 5, lag: int = 4, limit: float = 1.3
) -> EigenvalueStop:
    """Whether the largest eigenvalue has grown too fast (RobustDARTS, DARTS-ES).

    The last `window` eigenvalues are averaged; the search should stop once that mean
    exceeds `limit` times the mean `lag` records earlier. The defaults are those of the
    published code, which records every second epoch; its paper states the inverse
    ratio (below 0.75).

    Args:
        history: `(time,)`, the largest eigenvalue at each record.
        window: Records in a mean (>= 1).
        lag: Records between the two means (>= 1).
        limit: Largest growth allowed (> 0).

    Returns:
        Ratio and decision; never a stop before `window + lag` records or if the
        earlier mean is not positive.

    Raises:
        ValueError: If `window` or `lag` is below 1.
    """
    if min(window, lag) < 1:
        raise ValueError(f"window and lag must be positive, got {window} and {lag}.")
    if len(history) < window + lag:
        return EigenvalueStop(jnp.zeros(()), jnp.zeros((), bool))
    now = jnp.mean(history[-window:])
    before = jnp.mean(history[-window - lag : -lag])
    is_positive = before > 0
    ratio = jnp.where(is_positive, now / jnp.where(is_positive, before, 1.0), 0.0)
    return EigenvalueStop(ratio, ratio > limit)
