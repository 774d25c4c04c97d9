"""The exact gradient of the loss after one inner step."""

from functools import partial

import optax

from autoreg_jax.hypergrad._base import (
    Batch,
    BilevelProblem,
    Hypergradient,
    HypergradientEstimator,
    Inner,
    InnerUpdate,
    Outer,
    State,
    no_state,
)
from autoreg_jax.hypergrad._mixed_product import mixed_product
from autoreg_jax.hypergrad._one_step import look_ahead


def one_step_unroll() -> HypergradientEstimator:
    """Hypergradient through one inner update, differentiated exactly.

    With ω′ = U(ω, ∇_ω L_t(ω, a)) and u = (∂U/∂g)ᵀ ∇_ω′ L_v(ω′, a) the estimate is

        ∇_a L_v(ω′, a) + ∂²_{aω} L_t(ω, a) · u,

    the derivative of a ↦ L_v(ω′(a), a) for any differentiable update U. The mixed
    product is as dear as the two gradients of the finite difference, without its ε.

    Returns:
        A stateless estimator.

    Examples:
        >>> one_step_unroll().init({}, {})
        ()

    References:
        Liu et al., "DARTS", ICLR 2019, Eq. (7). AutoReg, Algorithm 1.
    """

    def estimate(
        problem: BilevelProblem,
        state: State,
        inner: Inner,
        outer: Outer,
        train_batch: Batch,
        valid_batch: Batch,
        *,
        inner_update: InnerUpdate,
    ) -> tuple[Hypergradient, State]:
        batches = train_batch, valid_batch
        ahead = look_ahead(problem, inner, outer, batches, inner_update)
        product = problem.mixed_product or partial(mixed_product, problem.inner_loss)
        indirect = product(inner, outer, train_batch, ahead.direction)
        grad = optax.tree.add(ahead.direct, indirect)
        return Hypergradient(grad, ahead.direct, indirect, ahead.value), state

    return HypergradientEstimator(no_state, estimate)
