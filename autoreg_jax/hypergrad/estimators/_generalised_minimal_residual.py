"""Linear systems of any kind: generalised minimal residuals."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import HypergradientEstimator, Inner, State
from autoreg_jax.hypergrad._checks import Number, check_at_least, check_not_negative
from autoreg_jax.hypergrad._implicit import LinearSolution, Operator, implicit
from autoreg_jax.hypergrad._meshes import row, with_row
from autoreg_jax.hypergrad._second_order import MixedBackend, forward_over_reverse
from autoreg_jax.hypergrad._trees import (
    add_scale,
    at_least_single,
    inner_product,
    scale,
)


def generalised_minimal_residual(
    iterations: int,
    damping: Number = 0.0,
    *,
    mixed: MixedBackend = forward_over_reverse,
) -> HypergradientEstimator:
    """H = ∂_a L_v − M z with z = argmin ‖(H + δI) z − ∇_ω L_v‖ in a Krylov space.

    GMRES: the estimate of `minimal_residual` in exact arithmetic, from a basis that is
    orthogonalised as a whole, twice, where that keeps three vectors. So it needs no
    symmetric H, as that of `fixed_point` is, and loses nothing to rounding where H is
    ill-conditioned; the price is the memory of K + 1 vectors like ω and K² inner
    products. The residual never grows.

    Diagnostics: `residual` ‖v − (H + δI)z‖ / ‖v‖ from the projected system, and the
    number of `iterations` until the Krylov space is exhausted.

    Args:
        iterations: K > 0; each takes one product with H.
        damping: δ ≥ 0. In an indefinite Hessian it may cancel an eigenvalue −δ.
        mixed: Backend of the mixed product.

    Returns:
        A stateless estimator.

    Raises:
        ValueError: If `iterations` is not positive or `damping` is negative.

    References:
        Saad and Schultz, "GMRES: a generalized minimal residual algorithm for solving
        nonsymmetric linear systems", SIAM J. Sci. Stat. Comput. 1986.
    """
    check_at_least(1, iterations=iterations)
    check_not_negative(damping=damping)

    def solve(operator: Operator, vector: Inner, state: State) -> LinearSolution:
        v = jax.tree.map(_wide, vector)
        first = jnp.sqrt(inner_product(v, v))
        eps = jnp.finfo(first.dtype).eps

        def body(basis: Inner, index: Array) -> tuple[Inner, Any]:
            unit = row(basis, index)
            product = operator(optax.tree.cast_like(unit, vector))
            product = add_scale(jax.tree.map(_wide, product), damping, unit)
            size = jnp.sqrt(inner_product(product, product))
            rest, shares = product, jnp.zeros(iterations + 1, first.dtype)
            for _ in range(2):  # the second pass removes the rounding of the first
                more = jax.vmap(inner_product, (0, None))(basis, rest)
                rest, shares = add_scale(rest, -1.0, _sum(more, basis)), shares + more
            below = jnp.sqrt(inner_product(rest, rest))
            is_exhausted = below <= 10 * eps * size
            below = jnp.where(is_exhausted, 0.0, below)
            after = scale(jnp.where(is_exhausted, 0.0, 1 / _safe(below)), rest)
            basis = with_row(basis, index + 1, after)
            # Behind the end of the space: a column of its own, whose share is zero.
            is_idle = inner_product(unit, unit) == 0
            entry = jnp.where(is_idle, 1.0, below)
            return basis, (shares.at[index + 1].add(entry), ~is_idle)

        begin = jax.tree.map(
            lambda x: jnp.stack([x, *[jnp.zeros_like(x)] * iterations]),
            scale(1 / _safe(first), v),
        )
        basis, (rows, is_used) = jax.lax.scan(body, begin, jnp.arange(iterations))
        shares, residual = _least_squares(rows.T, first)
        z = _sum(jnp.append(shares, 0.0), basis)
        diagnostics: dict[str, Array] = {
            "residual": residual / _safe(first),
            "iterations": jnp.sum(is_used),
        }
        return LinearSolution(optax.tree.cast_like(z, vector), state, diagnostics)

    return implicit(solve, mixed)


def _least_squares(matrix: Array, first: Array) -> tuple[Array, Array]:
    """argmin_y ‖matrix y − first e_1‖ and the minimum; `(K + 1, K)`, Hessenberg."""
    right = jnp.zeros(len(matrix), matrix.dtype).at[0].set(first)
    turn, triangle = jnp.linalg.qr(matrix)
    turned = jnp.sum(turn * right[:, None], axis=0)
    # A direction that the operator maps to nothing has no share.
    pivots = jnp.abs(jnp.diag(triangle))
    is_lost = pivots <= 10 * jnp.finfo(matrix.dtype).eps * jnp.max(pivots)
    unit = jnp.eye(len(triangle), dtype=matrix.dtype)
    triangle = jnp.where(is_lost[:, None], unit, triangle)
    turned = jnp.where(is_lost, 0.0, turned)
    shares = jax.scipy.linalg.solve_triangular(triangle, turned)
    miss = right - jnp.sum(matrix * shares[None], axis=1)
    return shares, jnp.sqrt(jnp.sum(miss**2))


def _sum(weights: Array, basis: Inner) -> Inner:
    """Σ_i weights_i basis_i, a sum of products: exact on every platform."""

    def total(x: Array) -> Array:
        each = weights.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        return jnp.sum(each * x, axis=0)

    return jax.tree.map(total, basis)


def _wide(x: Any) -> Array:
    """In single precision or more: a basis in half precision is none."""
    return jnp.asarray(x, at_least_single(x))


def _safe(size: Array) -> Array:
    return jnp.where(size == 0, 1.0, size)
