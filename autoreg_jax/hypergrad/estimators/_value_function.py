"""First-order bilevel optimisation with a penalty on the value function."""

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    AnyUpdate,
    Batch,
    BilevelProblem,
    Estimated,
    HypergradientEstimator,
    Inner,
    Outer,
    Point,
    State,
    make_hypergradient,
    no_state,
    outer_gradient,
)
from autoreg_jax.hypergrad._trajectory import as_inner_update, descend


def value_function(steps: int, penalty: float) -> HypergradientEstimator:
    """H = ∂_a L_v(ω_γ) + γ [∂_a L_t(ω_γ) − ∂_a L_t(ω*)], without second derivatives.

    ω* is the result of K inner steps on L_t, ω_γ of K inner steps on L_t + L_v/γ, both
    from ω. In the limit of many steps the bias is of the order 1/γ; the rounding error
    grows with γ.

    Diagnostics: `residual`, ‖∇_ω(L_t + L_v/γ)‖ at ω_γ, and `gap`,
    L_t(ω_γ) − L_t(ω*).

    Args:
        steps: K > 0 steps of each trajectory.
        penalty: γ > 0.

    Returns:
        A stateless estimator.

    Raises:
        ValueError: If an argument is not positive.

    References:
        Liu et al., "BOME!", NeurIPS 2022; Kwon et al., "F2SA", ICML 2023.
    """
    if steps < 1 or penalty <= 0:
        raise ValueError(f"steps and penalty must be positive, got {steps}, {penalty}.")

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        inner, outer, train_batch, valid_batch = point
        update = as_inner_update(inner_update)

        def penalised(omega: Inner, a: Outer, batches: Batch) -> Array:
            train, valid = batches
            lower = problem.inner_loss(omega, a, train)
            return lower + problem.outer_loss(omega, a, valid) / penalty

        start, both = (inner, update.state), (train_batch, valid_batch)
        plain, _ = descend(problem.inner_loss, update, start, outer, train_batch, steps)
        pulled, _ = descend(penalised, update, start, outer, both, steps)
        value, cotangent, direct = outer_gradient(problem, point._replace(inner=pulled))
        inner_gradient = jax.value_and_grad(problem.inner_loss, argnums=(0, 1))
        upper, (slope, at_pulled) = inner_gradient(pulled, outer, train_batch)
        lower, (_, at_plain) = inner_gradient(plain, outer, train_batch)
        indirect = optax.tree.scale(penalty, optax.tree.sub(at_pulled, at_plain))
        remaining = optax.tree.add_scale(slope, 1 / penalty, cotangent)
        hyper = make_hypergradient(
            direct,
            indirect,
            value,
            residual=optax.tree.norm(remaining),
            gap=jnp.asarray(upper - lower),
        )
        return hyper, state

    return HypergradientEstimator(no_state, estimate)
