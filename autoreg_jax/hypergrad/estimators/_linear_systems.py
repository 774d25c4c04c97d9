"""Linear systems with the Hessian: by conjugate gradients, or with the full matrix."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from autoreg_jax.hypergrad._base import HypergradientEstimator, Inner, State
from autoreg_jax.hypergrad._checks import Number, check_at_least, check_not_negative
from autoreg_jax.hypergrad._implicit import LinearSolution, Operator, implicit
from autoreg_jax.hypergrad._meshes import undivided
from autoreg_jax.hypergrad._second_order import MixedBackend, forward_over_reverse
from autoreg_jax.hypergrad._trees import (
    add_scale,
    at_least_single,
    inner_product,
    unit_vectors,
)


def conjugate_gradient(
    iterations: int,
    damping: Number = 0.0,
    *,
    mixed: MixedBackend = forward_over_reverse,
) -> HypergradientEstimator:
    """H = ∂_a L_v − M z with (H + δI) z ≈ ∇_ω L_v by conjugate gradients from zero.

    After K iterations the relative error of the indirect part in the norm of H is at
    most 2((√κ − 1)/(√κ + 1))^K. The iteration stops with its current z when it meets a
    direction p with pᵀ(H + δI)p ≤ 0; if that is the first one, z = v as in `t1t2()`.

    Diagnostics: `residual` ‖v − (H + δI)z‖ / ‖v‖ from the recurrence, the number of
    `iterations` and `negative_curvature`.

    Args:
        iterations: K > 0; each takes one product with H.
        damping: δ ≥ 0.
        mixed: Backend of the mixed product.

    Returns:
        A stateless estimator.

    Raises:
        ValueError: If `iterations` is not positive or `damping` is negative.

    References:
        Pedregosa, ICML 2016; Rajeswaran et al., "iMAML", NeurIPS 2019.
    """
    check_at_least(1, iterations=iterations)
    check_not_negative(damping=damping)

    def solve(operator: Operator, vector: Inner, state: State) -> LinearSolution:
        first = inner_product(vector, vector)
        # Below the rounding error of the first residual, further steps are noise.
        floor = first * jnp.finfo(first.dtype).eps ** 2

        def body(carry: Any, _: None) -> tuple[Any, None]:
            z, residual, direction, square, count, is_negative = carry
            product = add_scale(operator(direction), damping, direction)
            curvature = inner_product(direction, product)
            is_running = (square > floor) & ~is_negative
            is_negative = is_negative | (is_running & (curvature <= 0))
            goes_on = is_running & ~is_negative
            step = jnp.where(goes_on, square / jnp.where(goes_on, curvature, 1.0), 0.0)
            z = add_scale(z, step, direction)
            residual = add_scale(residual, -step, product)
            fresh = inner_product(residual, residual)
            ratio = jnp.where(goes_on, fresh / jnp.where(goes_on, square, 1.0), 0.0)
            direction = add_scale(residual, ratio, direction)
            count = count + goes_on.astype(count.dtype)
            return (z, residual, direction, fresh, count, is_negative), None

        start = (
            optax.tree.zeros_like(vector),
            vector,
            vector,
            first,
            jnp.zeros((), jnp.int32),
            jnp.zeros((), bool),
        )
        end, _ = jax.lax.scan(body, start, None, length=iterations)
        z, _, _, square, count, is_negative = end
        is_stuck = is_negative & (count == 0)
        z = jax.tree.map(lambda a, b: jnp.where(is_stuck, b, a), z, vector)
        diagnostics: dict[str, Array] = {
            "residual": jnp.sqrt(square / jnp.where(first > 0, first, 1.0)),
            "iterations": count,
            "negative_curvature": is_negative,
        }
        return LinearSolution(z, state, diagnostics)

    return implicit(solve, mixed)


def full_hessian(
    damping: Number = 0.0, *, mixed: MixedBackend = forward_over_reverse
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
    check_not_negative(damping=damping)

    def solve(operator: Operator, vector: Inner, state: State) -> LinearSolution:
        flat, unravel = ravel_pytree(undivided(vector))

        def column(unit: Inner) -> Array:
            return ravel_pytree(undivided(operator(unit)))[0]

        columns = jax.vmap(column)(unit_vectors(vector))
        # No solver of dense systems is for half precision.
        wide = at_least_single(flat)
        v = flat.astype(wide)
        shift = jnp.asarray(damping, wide) * jnp.eye(flat.size, dtype=wide)
        matrix = columns.T.astype(wide) + shift
        z = jnp.linalg.solve(matrix, v)
        norm = jnp.linalg.norm(v)
        product = jnp.matmul(matrix, z, precision="highest")
        residual = jnp.linalg.norm(v - product) / jnp.where(norm > 0, norm, 1.0)
        return LinearSolution(
            unravel(z.astype(flat.dtype)), state, {"residual": residual}
        )

    return implicit(solve, mixed)
