"""A problem that is quadratic in both levels, with closed forms."""

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.hypergrad._base import Batch, BilevelProblem, Inner, Outer, Point
from autoreg_jax.hypergrad.problems._example import Example


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
