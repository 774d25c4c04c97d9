"""Series for the inverse Hessian: Neumann's, its first term, and one that continues."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import HypergradientEstimator, Inner, Outer, State
from autoreg_jax.hypergrad._checks import Number, check_at_least, check_positive
from autoreg_jax.hypergrad._implicit import LinearSolution, Operator, implicit
from autoreg_jax.hypergrad._second_order import MixedBackend, forward_over_reverse
from autoreg_jax.hypergrad._trees import add_scale, scale


def neumann(
    terms: int, learning_rate: Number, *, mixed: MixedBackend = forward_over_reverse
) -> HypergradientEstimator:
    """H = ∂_a L_v − M ξ Σ_{j=0..K} (I − ξH)^j ∇_ω L_v at ω.

    Converges for H ≻ 0 and ξ < 2/L; the relative error of the indirect part is then
    (1 − ξμ)^{K+1}. If H is indefinite the series diverges and `term_norms` grow.

    Diagnostics: `term_norms`, ‖(I − ξH)^j v‖ for j = 0..K, which is also the residual
    ‖v − Hz‖ of the first j terms.

    Args:
        terms: K ≥ 0, the number of products with H.
        learning_rate: ξ > 0.
        mixed: Backend of the mixed product.

    Returns:
        A stateless estimator.

    Raises:
        ValueError: If `terms` is negative or `learning_rate` is not positive.

    References:
        Lorraine et al., "Optimizing Millions of Hyperparameters by Implicit
        Differentiation", AISTATS 2020.
    """
    check_at_least(0, terms=terms)
    check_positive(learning_rate=learning_rate)

    def solve(operator: Operator, vector: Inner, state: State) -> LinearSolution:
        def body(carry: Any, _: None) -> tuple[Any, Array]:
            term, total = carry
            term = add_scale(term, -learning_rate, operator(term))
            return (term, optax.tree.add(total, term)), optax.tree.norm(term)

        (_, total), norms = jax.lax.scan(body, (vector, vector), None, length=terms)
        norms = jnp.concatenate([optax.tree.norm(vector)[None], norms])
        value = scale(learning_rate, total)
        return LinearSolution(value, state, {"term_norms": norms})

    return implicit(solve, mixed)


def t1t2(
    learning_rate: Number = 1.0, *, mixed: MixedBackend = forward_over_reverse
) -> HypergradientEstimator:
    """H = ∂_a L_v − ξ M ∇_ω L_v at ω, without an inner step or a solver.

    Exact if the Hessian is I/ξ; equal to `neumann(0, ξ)`.

    Args:
        learning_rate: ξ > 0; 1 in the reference.
        mixed: Backend of the mixed product.

    Returns:
        A stateless estimator.

    Raises:
        ValueError: If `learning_rate` is not positive.

    References:
        Luketina et al., "Scalable Gradient-Based Tuning of Continuous Regularization
        Hyperparameters", ICML 2016.
    """
    check_positive(learning_rate=learning_rate)

    def solve(operator: Operator, vector: Inner, state: State) -> LinearSolution:
        del operator
        return LinearSolution(scale(learning_rate, vector), state, {})

    return implicit(solve, mixed)


def warm_started_linear_system(
    steps: int, learning_rate: Number, *, mixed: MixedBackend = forward_over_reverse
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
    check_at_least(1, steps=steps)
    check_positive(learning_rate=learning_rate)

    def init(inner: Inner, outer: Outer) -> State:
        del outer
        return optax.tree.zeros_like(inner)

    def solve(operator: Operator, vector: Inner, state: State) -> LinearSolution:
        def body(carry: Any, _: None) -> tuple[Any, None]:
            z, _ = carry
            residual = optax.tree.sub(vector, operator(z))
            return (add_scale(z, learning_rate, residual), residual), None

        start = state, optax.tree.zeros_like(vector)
        (z, residual), _ = jax.lax.scan(body, start, None, length=steps)
        norm = optax.tree.norm(vector)
        norm = jnp.where(norm > 0, norm, 1)
        return LinearSolution(z, z, {"residual": optax.tree.norm(residual) / norm})

    return implicit(solve, mixed, init)
