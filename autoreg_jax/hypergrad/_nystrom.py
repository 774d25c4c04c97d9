"""A Nyström sketch of the Hessian, inverted by the Woodbury identity."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from autoreg_jax.hypergrad._base import HypergradientEstimator, Inner, Outer, State
from autoreg_jax.hypergrad._implicit import Operator, Solution, implicit
from autoreg_jax.hypergrad._random import gaussian_like
from autoreg_jax.hypergrad._second_order import MixedBackend, forward_over_reverse


def nystrom(
    rank: int,
    damping: float,
    seed: int = 0,
    *,
    mixed: MixedBackend = forward_over_reverse,
) -> HypergradientEstimator:
    """H = ∂_a L_v − M (H_k + ρI)⁻¹ ∇_ω L_v with H_k a Nyström sketch of rank k.

    With k Gaussian directions Ω, C = HΩ and W = ΩᵀC the sketch is H_k = C W⁻¹ Cᵀ and

        (H_k + ρI)⁻¹ v = [v − C (ρW + CᵀC)⁻¹ Cᵀ v] / ρ.

    What H_k misses is amplified by 1/ρ: a small ρ with a small rank is dangerous.
    Holds k trees like ω. The directions are drawn anew at each call, and made
    orthonormal.

    Args:
        rank: k in [1, dim(ω)], each one product with H.
        damping: ρ > 0.
        seed: Seed of the directions.
        mixed: Backend of the mixed product.

    Returns:
        An estimator that carries its number of calls.

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
            raise ValueError(f"rank must be at most {size}, the size of ω, got {rank}.")
        key = jax.random.fold_in(jax.random.key(seed), state)
        keys = jax.random.split(key, rank)
        omegas = _orthonormal(jax.vmap(lambda k: gaussian_like(k, vector))(keys))
        columns = jax.lax.map(operator, omegas)
        gram = _products(columns, columns) + damping * _products(omegas, columns)
        weights = jnp.linalg.solve(0.5 * (gram + gram.T), _against(columns, vector))
        fitted = jax.tree.map(lambda c: jnp.tensordot(weights, c, 1), columns)
        value = optax.tree.scale(1 / damping, optax.tree.sub(vector, fitted))
        return Solution(value, state + 1, {})

    return implicit(solve, mixed, init)


def _orthonormal(columns: Any) -> Any:
    """Other directions of the same span: H_k stays, its rounding is not amplified."""
    root = jnp.linalg.cholesky(_products(columns, columns))
    inverse = jnp.linalg.inv(root)
    return jax.tree.map(lambda c: jnp.tensordot(inverse, c, 1), columns)


def _against(columns: Any, vector: Inner) -> Any:
    """⟨column, vector⟩ for each column, `(k,)`."""
    return jax.vmap(lambda c: optax.tree.vdot(c, vector))(columns)


def _products(left: Any, right: Any) -> Any:
    """⟨left_i, right_j⟩, `(k, k)`."""
    return jax.vmap(lambda c: _against(right, c))(left)
