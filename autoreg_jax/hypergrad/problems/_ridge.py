"""Ridge regression with one penalty for each feature."""

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.hypergrad._base import Batch, BilevelProblem, Inner, Outer, Point
from autoreg_jax.hypergrad.problems._example import Example


def ridge(train_batch: Batch, valid_batch: Batch) -> Example:
    """Ridge regression whose outer variable is the log penalty of each feature.

        L_t = (1/2n) ‖Xω − y‖² + ½ Σ exp(a_j) ω_j²,   L_v = (1/2m) ‖X′ω − y′‖²,
        ω* = H⁻¹ Xᵀy / n,  H = XᵀX/n + diag(exp a),
        dL_v/da_j = −exp(a_j) ω*_j [H⁻¹ ∇L_v(ω*)]_j.

    Args:
        train_batch: X `(n, p)` and y `(n,)`.
        valid_batch: X′ `(m, p)` and y′ `(m,)`.

    Returns:
        The problem; ω and a are `(p,)`, both initially zero.

    Examples:
        >>> one = (jnp.ones((1, 1)), jnp.ones(1))
        >>> float(ridge(one, one).solution(jnp.zeros(1))[0])
        0.5
    """
    features, targets = train_batch

    def inner_loss(inner: Inner, outer: Outer, batch: Batch) -> Array:
        penalty = 0.5 * jnp.sum(jnp.exp(outer) * inner**2)
        return _squared_error(inner, batch) + penalty

    def outer_loss(inner: Inner, outer: Outer, batch: Batch) -> Array:
        del outer
        return _squared_error(inner, batch)

    def hessian(outer: Outer) -> Array:
        return features.T @ features / len(features) + jnp.diag(jnp.exp(outer))

    def solution(outer: Outer) -> Inner:
        return jnp.linalg.solve(hessian(outer), features.T @ targets / len(features))

    def reference(outer: Outer) -> Outer:
        omega = solution(outer)
        slope = jax.grad(_squared_error)(omega, valid_batch)
        return -jnp.exp(outer) * omega * jnp.linalg.solve(hessian(outer), slope)

    start = jnp.zeros(features.shape[1], features.dtype)
    return Example(
        BilevelProblem(inner_loss, outer_loss),
        Point(start, start, train_batch, valid_batch),
        solution,
        reference,
        lambda outer: jnp.linalg.eigvalsh(hessian(outer))[-1],
    )


def _squared_error(inner: Inner, batch: Batch) -> Array:
    features, targets = batch
    return 0.5 * jnp.mean((features @ inner - targets) ** 2)
