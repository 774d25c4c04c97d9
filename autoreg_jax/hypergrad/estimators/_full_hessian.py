"""The Hessian as a full matrix, for small problems."""

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from autoreg_jax.hypergrad._base import HypergradientEstimator, Inner, State
from autoreg_jax.hypergrad._implicit import Operator, Solution, implicit
from autoreg_jax.hypergrad._second_order import MixedBackend, forward_over_reverse


def full_hessian(
    damping: float = 0.0, *, mixed: MixedBackend = forward_over_reverse
) -> HypergradientEstimator:
    """H = ∂_a L_v − M (H + δI)⁻¹ ∇_ω L_v, solved with the full matrix H.

    A reference for small problems: dim(ω) products with H and dim(ω)² memory.

    Diagnostics: `residual` ‖v − (H + δI)z‖ / ‖v‖.

    Args:
        damping: δ ≥ 0.
        mixed: Backend of the mixed product.

    Returns:
        A stateless estimator.

    Raises:
        ValueError: If `damping` is negative.
    """
    if damping < 0:
        raise ValueError(f"damping must not be negative, got {damping}.")

    def solve(operator: Operator, vector: Inner, state: State) -> Solution:
        flat, unravel = ravel_pytree(vector)
        identity = jnp.eye(flat.size, dtype=flat.dtype)
        columns = jax.vmap(lambda e: ravel_pytree(operator(unravel(e)))[0])(identity)
        matrix = columns.T + damping * identity
        z = jnp.linalg.solve(matrix, flat)
        norm = jnp.linalg.norm(flat)
        residual = jnp.linalg.norm(flat - matrix @ z) / jnp.where(norm > 0, norm, 1.0)
        return Solution(unravel(z), state, {"residual": residual})

    return implicit(solve, mixed)
