"""The direct part only."""

import optax

from autoreg_jax.hypergrad._base import (
    AnyUpdate,
    BilevelProblem,
    Estimated,
    HypergradientEstimator,
    Point,
    State,
    make_hypergradient,
    no_state,
    outer_gradient,
)
from autoreg_jax.hypergrad._dependence import depends_on


def first_order() -> HypergradientEstimator:
    """H = ∂_a L_v at ω, as if ω did not depend on a ("first-order DARTS").

    Returns:
        A stateless estimator. `estimate` raises `ValueError` while tracing if the outer
        loss does not depend on the outer variable (the loss weights λ, for example):
        the estimate would always be zero.

    Examples:
        >>> first_order().init({}, {})
        ()
    """

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        del inner_update
        inner, outer, _, valid_batch = point
        if not depends_on(lambda a: problem.outer_loss(inner, a, valid_batch), outer):
            raise ValueError(
                "first_order needs an outer loss that depends on the outer variable; "
                "this one does not, so the estimate would always be zero. Use "
                "one_step_unroll() or another estimator with an indirect part."
            )
        value, cotangent, direct = outer_gradient(problem, point)
        zero = optax.tree.zeros_like(direct)
        norm = optax.tree.norm(cotangent)
        return make_hypergradient(direct, zero, value, cotangent_norm=norm), state

    return HypergradientEstimator(no_state, estimate)
