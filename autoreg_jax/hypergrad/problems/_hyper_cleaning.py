"""Hyper-cleaning: learn weights for training examples with noisy labels."""

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.hypergrad._base import Batch, BilevelProblem, Inner, Outer, Point
from autoreg_jax.hypergrad._second_order import mixed_product
from autoreg_jax.hypergrad.problems._example import Example

# From zero and with a penalty of 0.01, Newton's method converges in eight steps.
_NEWTON_STEPS = 10


def hyper_cleaning(
    train_batch: Batch, valid_batch: Batch, num_classes: int, penalty: float = 0.01
) -> Example:
    """Softmax regression with a weight σ(a_i) for each training example.

        L_t = (1/n) Σ σ(a_i) CE(x_i ω, y_i) + ½ μ ‖ω‖²,   L_v = mean CE on clean labels.

    ω* is computed by Newton's method, the reference with the full Hessian.

    Args:
        train_batch: Features `(n, p)` and labels `(n,)`, some of them wrong.
        valid_batch: Features `(m, p)` and correct labels `(m,)`.
        num_classes: Number of classes k.
        penalty: μ > 0.

    Returns:
        The problem; ω is `(p, k)` and a is `(n,)`, both initially zero.

    Raises:
        ValueError: If `penalty` is not positive, for which ω* may not exist.

    References:
        Franceschi et al., "Forward and reverse gradient-based hyperparameter
        optimization", ICML 2017.
    """
    if penalty <= 0:
        raise ValueError(f"penalty must be positive, got {penalty}.")
    features, _ = train_batch
    start = jnp.zeros((features.shape[1], num_classes), features.dtype)

    def inner_loss(inner: Inner, outer: Outer, batch: Batch) -> Array:
        weighted = jnp.mean(jax.nn.sigmoid(outer) * cross_entropy(inner, batch))
        return weighted + 0.5 * penalty * jnp.sum(inner**2)

    def outer_loss(inner: Inner, outer: Outer, batch: Batch) -> Array:
        del outer
        return jnp.mean(cross_entropy(inner, batch))

    def hessian(inner: Inner, outer: Outer) -> Array:
        shares = jax.nn.softmax(features @ inner)
        spread = jax.vmap(jnp.diag)(shares) - shares[:, :, None] * shares[:, None, :]
        spread = spread * (jax.nn.sigmoid(outer) / len(features))[:, None, None]
        blocks = jnp.einsum("np,nkl,nq->pkql", features, spread, features)
        matrix = blocks.reshape(inner.size, inner.size)
        return matrix + penalty * jnp.eye(inner.size, dtype=inner.dtype)

    def solution(outer: Outer) -> Inner:
        def newton(omega: Inner, _: None) -> tuple[Inner, None]:
            slope = jax.grad(inner_loss)(omega, outer, train_batch)
            step = jnp.linalg.solve(hessian(omega, outer), jnp.ravel(slope))
            return omega - step.reshape(omega.shape), None

        return jax.lax.scan(newton, start, length=_NEWTON_STEPS)[0]

    def reference(outer: Outer) -> Outer:
        omega = solution(outer)
        slope = jax.grad(outer_loss)(omega, outer, valid_batch)
        adjoint = jnp.linalg.solve(hessian(omega, outer), -jnp.ravel(slope))
        direction = adjoint.reshape(omega.shape)
        return mixed_product(inner_loss, omega, outer, train_batch, direction)

    def smoothness(outer: Outer) -> Array:
        return jnp.linalg.eigvalsh(hessian(solution(outer), outer))[-1]

    return Example(
        BilevelProblem(inner_loss, outer_loss),
        Point(
            start, jnp.zeros(len(features), features.dtype), train_batch, valid_batch
        ),
        solution,
        reference,
        smoothness,
    )


def cross_entropy(inner: Inner, batch: Batch) -> Array:
    """Cross entropy of softmax regression, one value for each example."""
    features, labels = batch
    logs = jax.nn.log_softmax(features @ inner)
    return -jnp.take_along_axis(logs, labels[:, None], axis=1)[:, 0]
