"""SAMA: the identity as Hessian, preconditioned by the optimizer."""

import jax
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
from autoreg_jax.hypergrad._second_order import (
    MixedBackend,
    central_difference,
    mixed_term,
)
from autoreg_jax.hypergrad._trajectory import without_outer
from autoreg_jax.hypergrad._trees import finite_or_zero


def preconditioned_identity(
    *, mixed: MixedBackend | None = None
) -> HypergradientEstimator:
    """H = ∂_a L_v + M u with u = (∂Φ/∂g)ᵀ ∇_ω L_v, all at ω itself.

    The inverse Hessian is the identity times what the optimizer makes of a change of
    its gradient, its learning rate included: −ξ ∇_ω L_v for gradient descent, which is
    `t1t2(ξ)`. Unlike `one_step_unroll` it needs no step before ∇_ω L_v, whose gradient
    on a large model can be summed over devices in one go. Biased, as `t1t2` is.

    Diagnostics: `cotangent_norm` ‖∇_ω L_v‖, `direction_norm` ‖u‖, `epsilon`, and
    `nonfinite`, the number of non-finite entries of u, which are set to zero.

    Args:
        mixed: Backend of the mixed product; that of the reference, and the default, is
            `central_difference()`.

    Returns:
        A stateless estimator.

    Examples:
        >>> preconditioned_identity().init({}, {})
        ()

    References:
        Choe et al., "Making Scalable Meta Learning Practical" (SAMA), NeurIPS 2023.
    """
    backend = mixed or central_difference()

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        update = without_outer(inner_update)
        value, cotangent, direct = outer_gradient(problem, point)
        gradient = jax.grad(problem.inner_loss)(
            point.inner, point.outer, point.train_batch
        )
        _, pullback = jax.vjp(lambda g: update(point.inner, g), gradient)
        slopes, missing = finite_or_zero(pullback(cotangent), (gradient, cotangent))
        (direction,) = slopes
        indirect, epsilon = mixed_term(problem, backend, point, direction, cotangent)
        hyper = make_hypergradient(
            direct,
            indirect,
            value,
            cotangent_norm=optax.tree.norm(cotangent),
            direction_norm=optax.tree.norm(direction),
            epsilon=epsilon,
            nonfinite=missing,
        )
        return hyper, state

    return HypergradientEstimator(no_state, estimate)
