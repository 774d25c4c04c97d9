"""The direct part alone."""

import jax
import optax

from autoreg_jax.hypergrad._assemble import assemble, outer_gradient
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
from autoreg_jax.hypergrad._dependence import depends_on_input


def first_order() -> HypergradientEstimator:
    """H = ∂_a L_v at ω, as if ω did not depend on a ("first-order DARTS").

    Returns:
        A stateless estimator. `estimate` raises `ValueError` while tracing if the outer
        loss does not contain the outer variable at all: the estimate would be zero for
        ever (the loss weights λ are such a variable).

    Examples:
        >>> first_order().init({}, {})
        ()
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
        del train_batch, inner_update
        program = jax.make_jaxpr(lambda a: problem.outer_loss(inner, a, valid_batch))
        if not depends_on_input(program(outer)):
            raise ValueError(
                "first_order needs an outer loss that contains the outer variable; "
                "this one does not, so its estimate is zero everywhere. Take "
                "one_step_unroll() or another estimator with an indirect part."
            )
        value, cotangent, direct = outer_gradient(problem, inner, outer, valid_batch)
        zero = optax.tree.zeros_like(direct)
        norm = optax.tree.norm(cotangent)
        return assemble(direct, zero, value, cotangent_norm=norm), state

    return HypergradientEstimator(no_state, estimate)
