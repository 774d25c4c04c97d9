"""A Nyström approximation of the Hessian, inverted in an orthonormal basis."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import HypergradientEstimator, Inner, Outer, State
from autoreg_jax.hypergrad._implicit import Operator, Solution, implicit
from autoreg_jax.hypergrad._second_order import MixedBackend, forward_over_reverse
from autoreg_jax.hypergrad._trajectory import gaussian_like


def nystrom(
    rank: int,
    damping: float,
    seed: int = 0,
    *,
    mixed: MixedBackend = forward_over_reverse,
) -> HypergradientEstimator:
    """H = ∂_a L_v − M (H_k + ρI)⁻¹ ∇_ω L_v with H_k a Nyström sketch of rank k.

    With k Gaussian directions Ω, C = HΩ and W = ΩᵀC the sketch is H_k = C W⁺ Cᵀ. With
    an orthonormal basis Q of C and S = (QᵀC) W⁺ (QᵀC)ᵀ

        (H_k + ρI)⁻¹ v = Q (S + ρI)⁻¹ Qᵀv + (v − QQᵀv) / ρ,

    which stays accurate for small ρ, whereas Woodbury's formula, with C instead of Q,
    loses accuracy with the square of the condition number.

    The error of H_k is amplified by 1/ρ, so do not combine a small ρ with a small rank.
    Memory: k trees like ω. Each call draws new directions and orthonormalises them.

    Args:
        rank: k in [1, dim(ω)]; each direction takes one product with H.
        damping: ρ > 0.
        seed: Seed of the directions.
        mixed: Backend of the mixed product.

    Returns:
        An estimator whose state is its number of calls.

    Raises:
        ValueError: If `rank` or `damping` is not positive; in `estimate` if ω has
            fewer entries than `rank`.

    References:
        Hataya and Yamada, "Nyström Method for Accurate and Scalable Implicit
        Differentiation", AISTATS 2023 (who take columns of H where this takes Gaussian
        directions).
    """
    if rank < 1 or damping <= 0:
        raise ValueError(f"rank and damping must be positive, got {rank}, {damping}.")

    def init(inner: Inner, outer: Outer) -> State:
        del inner, outer
        return jnp.zeros((), jnp.int32)

    def solve(operator: Operator, vector: Inner, state: State) -> Solution:
        size = sum(leaf.size for leaf in jax.tree.leaves(vector))
        if rank > size:
            raise ValueError(f"rank must be at most dim(ω) = {size}, got {rank}.")
        key = jax.random.fold_in(jax.random.key(seed), state)
        keys = jax.random.split(key, rank)
        omegas = _orthonormal(jax.vmap(lambda k: gaussian_like(k, vector))(keys))
        columns = jax.lax.map(operator, omegas)
        basis = _orthonormal(columns)
        across = _products(basis, columns)
        sketch = across @ _pseudo_inverse(_products(omegas, columns)) @ across.T
        seen = _against(basis, vector)
        shares = jnp.linalg.solve(sketch + damping * jnp.eye(rank), seen)
        rest = optax.tree.scale(
            1 / damping, optax.tree.sub(vector, _combined(seen, basis))
        )
        value = optax.tree.add(_combined(shares, basis), rest)
        return Solution(value, state + 1, {})

    return implicit(solve, mixed, init)


def _orthonormal(columns: Any) -> Any:
    """Orthonormal directions of the same span, zeros for linearly dependent ones."""
    for _ in range(2):  # the second pass removes the rounding error of the first
        sizes, turn = jnp.linalg.eigh(_products(columns, columns))
        scales = jnp.where(sizes > _cutoff(sizes), 1 / jnp.sqrt(jnp.abs(sizes)), 0)
        columns = jax.tree.map(
            lambda c, by=(turn * scales[None]).T: jnp.tensordot(by, c, 1), columns
        )
    return columns


def _pseudo_inverse(matrix: Array) -> Array:
    """Pseudo-inverse of a symmetric matrix."""
    sizes, turn = jnp.linalg.eigh(0.5 * (matrix + matrix.T))
    inverse = jnp.where(jnp.abs(sizes) > _cutoff(sizes), 1 / sizes, 0)
    return (turn * inverse[None]) @ turn.T


def _cutoff(sizes: Array) -> Array:
    """Eigenvalues below it are rounding errors."""
    return 10 * len(sizes) * jnp.finfo(sizes.dtype).eps * jnp.max(jnp.abs(sizes))


def _combined(weights: Array, columns: Any) -> Any:
    """Weighted sum of the columns, a tree like ω."""
    return jax.tree.map(lambda c: jnp.tensordot(weights, c, 1), columns)


def _against(columns: Any, vector: Inner) -> Any:
    """⟨column, vector⟩ for each column, `(k,)`."""
    return jax.vmap(lambda c: optax.tree.vdot(c, vector))(columns)


def _products(left: Any, right: Any) -> Any:
    """⟨left_i, right_j⟩, `(k, k)`."""
    return jax.vmap(lambda c: _against(right, c))(left)
