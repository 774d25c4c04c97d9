"""A linear system whose iteration continues from call to call."""

from typing import Any

import jax
import optax

from autoreg_jax.hypergrad._base import HypergradientEstimator, Inner, Outer, State
from autoreg_jax.hypergrad._implicit import Operator, Solution, implicit
from autoreg_jax.hypergrad._second_order import MixedBackend, forward_over_reverse


def warm_started_linear_system(
    steps: int, learning_rate: float, *, mixed: MixedBackend = forward_over_reverse
) -> HypergradientEstimator:
    """H = ∂_a L_v − M z, where z ← z − η(H z − ∇_ω L_v) continues from call to call.

    One step for each call is the direction of SOBA, several are that of AmIGO. From
    zero, m steps equal `neumann(m − 1, η)`.

    Diagnostics: `residual` ‖v − Hz‖ / ‖v‖ before the last step.

    Args:
        steps: m > 0; each takes one product with H.
        learning_rate: η > 0.
        mixed: Backend of the mixed product.

    Returns:
        An estimator whose state is z, a tree like ω.

    Raises:
        ValueError: If an argument is not positive.

    References:
        Arbel and Mairal, "AmIGO", ICLR 2022; Dagréou et al., "SOBA", NeurIPS 2022.
    """
    if steps < 1 or learning_rate <= 0:
        raise ValueError(
            f"steps and learning_rate must be positive, got {steps}, {learning_rate}."
        )

    def init(inner: Inner, outer: Outer) -> State:
        del outer
        return optax.tree.zeros_like(inner)

    def solve(operator: Operator, vector: Inner, state: State) -> Solution:
        def body(carry: Any, _: None) -> tuple[Any, None]:
            z, _ = carry
            residual = optax.tree.sub(vector, operator(z))
            return (optax.tree.add_scale(z, learning_rate, residual), residual), None

        start = state, optax.tree.zeros_like(vector)
        (z, residual), _ = jax.lax.scan(body, start, None, length=steps)
        norm = optax.tree.norm(vector)
        norm = norm + (norm == 0)
        return Solution(z, z, {"residual": optax.tree.norm(residual) / norm})

    return implicit(solve, mixed, init)
