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
    Iterate,
    Outer,
    Point,
    State,
    make_hypergradient,
    no_state,
    outer_gradient,
)
from autoreg_jax.hypergrad._checks import Number, check_at_least, check_positive
from autoreg_jax.hypergrad._trajectory import as_inner_update, descend
from autoreg_jax.hypergrad._trees import add_scale, scale


def value_function(steps: int, penalty: Number) -> HypergradientEstimator:
    """H = ∂_a L_v(ω_γ) + γ [∂_a L_t(ω_γ) − ∂_a L_t(ω*)], without second derivatives.

    ω* is the result of K inner steps on L_t, ω_γ of K inner steps on L_t + L_v/γ, both
    from ω in every call, with one γ. In the limit of many steps the bias is of the
    order 1/γ; the rounding error grows with γ. The algorithms of the references keep
    ω_γ from call to call, increase γ or choose the multiplier: see `f2sa` and `bome`.

    Diagnostics: `residual`, ‖∇_ω(L_t + L_v/γ)‖ at ω_γ, and `gap`,
    L_t(ω_γ) − L_t(ω*).

    Args:
        steps: K > 0 steps of each trajectory.
        penalty: γ > 0.

    Returns:
        A stateless estimator; `end` is ω* with the state of its optimizer.

    Raises:
        ValueError: If an argument is not positive.

    References:
        Liu et al., "BOME!", NeurIPS 2022; Kwon et al., "F2SA", ICML 2023.
    """
    check_at_least(1, steps=steps)
    check_positive(penalty=penalty)

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        inner, outer, train_batch, valid_batch = point
        update = as_inner_update(inner_update)

        def penalised(omega: Inner, a: Outer, batches: Batch) -> Array:
            train, valid = batches
            lower = problem.inner_loss(omega, a, train)
            return lower + problem.outer_loss(omega, a, valid) / penalty

        start, both = update.begin(inner, outer), (train_batch, valid_batch)
        end = descend(problem.inner_loss, update, start, outer, train_batch, steps)
        pulled, _ = descend(penalised, update, start, outer, both, steps)
        value, cotangent, direct = outer_gradient(problem, point._replace(inner=pulled))
        inner_gradient = jax.value_and_grad(problem.inner_loss, argnums=(0, 1))
        upper, (slope, at_pulled) = inner_gradient(pulled, outer, train_batch)
        lower, (_, at_plain) = inner_gradient(end[0], outer, train_batch)
        indirect = scale(penalty, optax.tree.sub(at_pulled, at_plain))
        remaining = add_scale(slope, 1 / penalty, cotangent)
        hyper = make_hypergradient(
            direct,
            indirect,
            value,
            end=Iterate(*end),
            residual=optax.tree.norm(remaining),
            gap=jnp.asarray(upper - lower),
        )
        return hyper, state

    return HypergradientEstimator(no_state, estimate)
