"""The identity in place of the inverse Hessian."""

import optax

from autoreg_jax.hypergrad._base import HypergradientEstimator, Inner, State
from autoreg_jax.hypergrad._implicit import Operator, Solution, implicit
from autoreg_jax.hypergrad._second_order import MixedBackend, forward_over_reverse


def t1t2(
    learning_rate: float = 1.0, *, mixed: MixedBackend = forward_over_reverse
) -> HypergradientEstimator:
    """H = ∂_a L_v − ξ M ∇_ω L_v at ω: no virtual step and no solver.

    Exact where H = I/ξ; equal to `neumann(0, ξ)`.

    Args:
        learning_rate: ξ > 0; 1 is the estimator of the reference.
        mixed: Backend of the mixed product.

    Returns:
        A stateless estimator.

    Raises:
        ValueError: If `learning_rate` is not positive.

    References:
        Luketina et al., "Scalable Gradient-Based Tuning of Continuous Regularization
        Hyperparameters", ICML 2016.
    """
    if learning_rate <= 0:
        raise ValueError(f"learning_rate must be positive, got {learning_rate}.")

    def solve(operator: Operator, vector: Inner, state: State) -> Solution:
        del operator
        return Solution(optax.tree.scale(learning_rate, vector), state, {})

    return implicit(solve, mixed)
