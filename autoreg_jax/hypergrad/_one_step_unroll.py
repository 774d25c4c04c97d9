"""The gradient of the loss after one inner step."""

from optax import tree

from autoreg_jax.hypergrad._assemble import assemble
from autoreg_jax.hypergrad._base import (
    Batch,
    BilevelProblem,
    Hypergradient,
    HypergradientEstimator,
    Inner,
    InnerUpdate,
    Outer,
    State,
    UpdateFn,
    no_state,
)
from autoreg_jax.hypergrad._one_step import look_ahead
from autoreg_jax.hypergrad._second_order import (
    MixedBackend,
    forward_over_reverse,
    mixed_term,
)


def one_step_unroll(
    *, mixed: MixedBackend = forward_over_reverse
) -> HypergradientEstimator:
    """Hypergradient through one inner update, differentiated exactly.

    With ω′ = U(ω, ∇_ω L_t(ω, a)) and u = (∂U/∂g)ᵀ ∇_ω′ L_v(ω′, a) the estimate is

        ∇_a L_v(ω′, a) + ∂²_{aω} L_t(ω, a) · u,

    the derivative of a ↦ L_v(ω′(a), a) for any differentiable update U. The mixed
    product costs 1 to 1.5 times the two gradients of the finite difference, without
    its ε.

    Diagnostics: `cotangent_norm` ‖v‖, `direction_norm` ‖u‖, `epsilon`, `sensitivity`
    (1 for SGD), `is_insensitive`: the update is almost constant in its gradient (fresh
    Adam, sign updates), so the indirect part says nothing; and `nonfinite`, the number
    of entries of u that have no value and count as zero (dead units under fresh Adam).

    Args:
        mixed: Backend of the mixed product.

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
        inner_update: InnerUpdate | UpdateFn,
    ) -> tuple[Hypergradient, State]:
        batches = train_batch, valid_batch
        ahead = look_ahead(problem, inner, outer, batches, inner_update)
        point = inner, outer, train_batch
        indirect, epsilon = mixed_term(
            problem, mixed, point, ahead.direction, ahead.cotangent
        )
        hyper = assemble(
            ahead.direct,
            indirect,
            ahead.value,
            cotangent_norm=tree.norm(ahead.cotangent),
            direction_norm=tree.norm(ahead.direction),
            epsilon=epsilon,
            sensitivity=ahead.sensitivity,
            is_insensitive=ahead.sensitivity < 1e-3,
            nonfinite=ahead.nonfinite,
        )
        return hyper, state

    return HypergradientEstimator(no_state, estimate)
