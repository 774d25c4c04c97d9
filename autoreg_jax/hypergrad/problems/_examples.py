"""Bilevel problems with closed forms, or solved by Newton's method."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.hypergrad._base import Batch, BilevelProblem, Inner, Outer, Point
from autoreg_jax.hypergrad._checks import Number, check_positive
from autoreg_jax.hypergrad._second_order import mixed_product


class Example(NamedTuple):
    """A bilevel problem with its solution and its true hypergradient.

    Attributes:
        problem: Inner and outer loss.
        point: Initial ω, far from the solution, initial a and both batches.
        solution: `outer -> inner`, ω*(a).
        reference: `outer -> tree like outer`, the hypergradient dL_v(ω*(a), a)/da.
        smoothness: `outer -> scalar`, the largest eigenvalue L of ∇²_ω L_t at ω*(a):
            steps of 1/L descend.
    """

    problem: BilevelProblem
    point: Point
    solution: Callable[[Outer], Inner]
    reference: Callable[[Outer], Outer]
    smoothness: Callable[[Outer], Array]


def quadratic(
    key: Array,
    *,
    inner_size: int = 20,
    outer_size: int = 5,
    condition: float = 10.0,
) -> Example:
    """A random quadratic problem.

        L_t = ½ ωᵀAω + ωᵀCa + bᵀω,   L_v = ½ (ω − w)ᵀF(ω − w) + ½ρ‖a‖² + kᵀa,
        ω* = −A⁻¹(Ca + b),           dL_v/da = ρa + k − CᵀA⁻¹F(ω* − w).

    The eigenvalues of A are evenly spaced from 1 to `condition`, so the errors of the
    Neumann series and of conjugate gradients follow the textbook bounds.

    Args:
        key: Random key; the matrices are drawn in the default precision.
        inner_size: Length of ω.
        outer_size: Length of a.
        condition: Condition number κ >= 1 of A.

    Returns:
        The problem; batches are None.

    Raises:
        ValueError: If `condition` is below 1.
    """
    if condition < 1:
        raise ValueError(f"condition must be at least 1, got {condition}.")
    keys = jax.random.split(key, 8)
    basis, _ = jnp.linalg.qr(jax.random.normal(keys[0], (inner_size, inner_size)))
    matrix = basis @ jnp.diag(jnp.linspace(1.0, condition, inner_size)) @ basis.T
    coupling = jax.random.normal(keys[1], (inner_size, outer_size))
    shift, target = (jax.random.normal(k, (inner_size,)) for k in keys[2:4])
    weight = jax.random.uniform(keys[4], (inner_size,), minval=0.5, maxval=2.0)
    slope = jax.random.normal(keys[5], (outer_size,))
    ridge = 0.3

    def inner_loss(inner: Inner, outer: Outer, batch: Batch) -> Array:
        del batch
        return 0.5 * inner @ matrix @ inner + inner @ (coupling @ outer + shift)

    def outer_loss(inner: Inner, outer: Outer, batch: Batch) -> Array:
        del batch
        apart = inner - target
        return 0.5 * (apart @ (weight * apart) + ridge * outer @ outer) + slope @ outer

    def solution(outer: Outer) -> Inner:
        return -jnp.linalg.solve(matrix, coupling @ outer + shift)

    def reference(outer: Outer) -> Outer:
        adjoint = jnp.linalg.solve(matrix, weight * (solution(outer) - target))
        return ridge * outer + slope - coupling.T @ adjoint

    return Example(
        BilevelProblem(inner_loss, outer_loss),
        Point(
            jax.random.normal(keys[6], (inner_size,)),
            jax.random.normal(keys[7], (outer_size,)),
        ),
        solution,
        reference,
        lambda outer: jnp.asarray(condition, outer.dtype),
    )


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


# From zero and with a penalty of 0.01, Newton's method converges in eight steps.
_NEWTON_STEPS = 10


def hyper_cleaning(
    train_batch: Batch, valid_batch: Batch, num_classes: int, penalty: Number = 0.01
) -> Example:
    """Softmax regression with a weight σ(a_i) for each training example.

        L_t = (1/n) Σ σ(a_i) CE(x_i ω, y_i) + ½ μ ‖ω‖²,   L_v = mean CE on clean labels.

    ω* is computed by Newton's method, the reference with the full Hessian. A batch of
    some of the training examples is `(features, labels, rows)` with their rows i in a,
    as `minibatches((*train_batch, jnp.arange(n)), ...)` makes them.

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
    check_positive(penalty=penalty)
    features, _ = train_batch
    start = jnp.zeros((features.shape[1], num_classes), features.dtype)

    def inner_loss(inner: Inner, outer: Outer, batch: Batch) -> Array:
        features, labels, *rows = batch
        logits = outer[rows[0]] if rows else outer
        errors = cross_entropy(inner, (features, labels))
        weighted = jnp.mean(jax.nn.sigmoid(logits) * errors)
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
