"""Linear systems with an indefinite Hessian: minimal residuals."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import HypergradientEstimator, Inner, State
from autoreg_jax.hypergrad._checks import Number, check_at_least, check_not_negative
from autoreg_jax.hypergrad._implicit import LinearSolution, Operator, implicit
from autoreg_jax.hypergrad._second_order import MixedBackend, forward_over_reverse
from autoreg_jax.hypergrad._trees import add_scale, inner_product, scale


def minimal_residual(
    iterations: int,
    damping: Number = 0.0,
    *,
    mixed: MixedBackend = forward_over_reverse,
) -> HypergradientEstimator:
    """H = ∂_a L_v − M z with z = argmin ‖(H + δI) z − ∇_ω L_v‖ in a Krylov space.

    MINRES: K products with H, as `conjugate_gradient`, but for a Hessian of any signs,
    such as that of a network that has not converged, where conjugate gradients stop.
    The residual never grows. At a saddle the implicit function theorem holds, but ω is
    no minimum: the estimate is that of the stationary point.

    Diagnostics: `residual` ‖v − (H + δI)z‖ / ‖v‖ from the recurrence, and the number of
    `iterations` until it is rounding.

    Args:
        iterations: K > 0; each takes one product with H.
        damping: δ ≥ 0. In an indefinite Hessian it may cancel an eigenvalue −δ.
        mixed: Backend of the mixed product.

    Returns:
        A stateless estimator.

    Raises:
        ValueError: If `iterations` is not positive or `damping` is negative.

    References:
        Paige and Saunders, "Solution of sparse indefinite systems of linear equations",
        SIAM Journal on Numerical Analysis 1975.
    """
    check_at_least(1, iterations=iterations)
    check_not_negative(damping=damping)

    def solve(operator: Operator, vector: Inner, state: State) -> LinearSolution:
        first = jnp.sqrt(inner_product(vector, vector))
        floor = first * jnp.finfo(first.dtype).eps

        def body(carry: Any, _: None) -> tuple[Any, None]:
            z, (before, now), (far, near), (size, rest), turns, count = carry
            (c_before, s_before), (c, s) = turns
            is_running = (jnp.abs(rest) > floor) & (size > floor)
            unit = scale(1 / jnp.where(is_running, size, 1.0), now)
            # Lanczos: one column of the tridiagonal matrix.
            product = add_scale(operator(unit), damping, unit)
            diagonal = inner_product(unit, product)
            after = add_scale(product, -diagonal, unit)
            after = add_scale(after, -size, before)
            below = jnp.sqrt(inner_product(after, after))
            # Two old rotations and a new one make it triangular.
            pivot = c * diagonal - c_before * s * size
            length = jnp.sqrt(pivot**2 + below**2)
            goes_on = is_running & (length > 0)
            safe = jnp.where(goes_on, length, 1.0)
            middle = s * diagonal + c_before * c * size
            new = pivot / safe, below / safe
            step = add_scale(unit, -s_before * size, far)
            step = scale(1 / safe, add_scale(step, -middle, near))
            moved = (
                add_scale(z, new[0] * rest, step),
                (unit, after),
                (near, step),
                (below, -new[1] * rest),
                ((c, s), new),
                count + 1,
            )
            return optax.tree.where(goes_on, moved, carry), None

        zero = optax.tree.zeros_like(vector)
        one, none = jnp.ones_like(first), jnp.zeros_like(first)
        start = (
            zero,
            (zero, vector),
            (zero, zero),
            (first, first),
            ((one, none), (one, none)),
            jnp.zeros((), jnp.int32),
        )
        (z, _, _, (_, rest), _, count), _ = jax.lax.scan(
            body, start, None, length=iterations
        )
        # No number is larger than NaN: a diverged model would not run at all.
        z = jax.tree.map(lambda x, v: jnp.where(jnp.isfinite(first), x, v), z, vector)
        diagnostics: dict[str, Array] = {
            "residual": jnp.abs(rest) / jnp.where(first > 0, first, 1.0),
            "iterations": count,
        }
        return LinearSolution(z, state, diagnostics)

    return implicit(solve, mixed)
