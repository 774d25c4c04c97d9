"""HyperDistill: the terms of all past steps as one product at averaged weights."""

from typing import Any, NamedTuple

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
    InnerUpdate,
    Iterate,
    Outer,
    Point,
    State,
    make_hypergradient,
    outer_gradient,
)
from autoreg_jax.hypergrad._checks import (
    Number,
    check_at_least,
    check_not_negative,
    check_positive,
)
from autoreg_jax.hypergrad._trajectory import descend, without_start
from autoreg_jax.hypergrad._trees import (
    at_least_single,
    common_type,
    finite_or_zero,
    inner_product,
    scale,
)


class Distilled(NamedTuple):
    """State.

    Attributes:
        average: The weights before the past steps, averaged, the last ones most.
        step: Number of calls, an int32 scalar.
    """

    average: Inner
    step: Array


def hyper_distill(size: Number, decay: Number = 0.9) -> HypergradientEstimator:
    """The indirect part of all t steps so far, by one product a step.

    With Φ(ω, a) the inner step, v = ∇_ω L_v at ω_t = Φ(ω_{t−1}, a), and γ the decay,

        h = ∂_a L_v + θ (1 − γ^t)/(1 − γ) u/‖u‖,   u = vᵀ ∂_a Φ(ω̄, a),

    where ω̄ is the mean of ω_0 … ω_{t−1} with weights γ^{t−1} … 1, and θ is `size`, that
    of `hyper_distill_size`. So the horizon grows with the steps at the price of
    `one_step_unroll`, which is one term of it; memory does not grow. With θ of the same
    steps it is exact where ∂Φ/∂ω = γ I and ∂_a Φ is constant. The product takes
    the batch of the present step, where the authors draw one of the past. The caller
    must then take exactly this step of ω, and begin anew after a jump of ω.

    Diagnostics: `direction_norm` ‖u‖, `length` (1 − γ^t)/(1 − γ), and `nonfinite`, the
    number of non-finite slopes of the update, which are set to zero.

    Args:
        size: θ, positive.
        decay: γ, not negative; below 1. Both may be traced.

    Returns:
        An estimator whose state is ω̄ and the number of calls; `end` is ω_t with the
        new state of its optimizer. `estimate` raises `ValueError` if the update has a
        `start`.

    Raises:
        ValueError: If `size` is not positive, or `decay` negative or not below 1.

    References:
        Lee, Lee, Lee and Hwang, "Online Hyperparameter Meta-Learning with Hypergradient
        Distillation", ICLR 2022.
    """
    check_not_negative(decay=decay)
    check_positive(size=size, **{"1 - decay": 1 - decay})

    def init(inner: Inner, outer: Outer) -> State:
        return Distilled(optax.tree.zeros_like(inner), jnp.zeros((), jnp.int32))

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        update = without_start(inner_update, "hyper_distill")
        inner, outer, batch, _ = point
        step = state.step + 1
        kind = common_type(decay, at_least_single(*jax.tree.leaves(inner)))
        length = _length(decay, step.astype(kind))
        average = _moved(state.average, inner, 1 / length)
        begin = update.begin(inner, outer)
        end = descend(problem.inner_loss, update, begin, outer, batch, 1)
        value, cotangent, direct = outer_gradient(problem, point._replace(inner=end[0]))
        _, along, missing = _pulled(problem, update, average, outer, batch, cotangent)
        norm = optax.tree.norm(along).astype(kind)
        hyper = make_hypergradient(
            direct,
            scale(size * length * _inverse(norm), along),
            value,
            end=Iterate(*end),
            direction_norm=norm,
            length=length,
            nonfinite=missing,
        )
        return hyper, Distilled(average, step)

    return HypergradientEstimator(init, estimate)


def hyper_distill_size(
    problem: BilevelProblem,
    point: Point,
    train_batches: Batch,
    steps: int,
    *,
    inner_update: AnyUpdate,
    decay: Number = 0.9,
) -> Array:
    """θ of `hyper_distill`, by a pass over some steps from a point.

    The steps are taken once. On the way back the weights between ω_0 and ω_T are those
    of a straight line, so that none are kept (DrMAD). After s steps back the indirect
    part of s steps is g_s; θ is the slope of the line through the origin that fits
    ⟨u_s/‖u_s‖, g_s⟩ over (1 − γ^s)/(1 − γ). It costs about 5 T gradients; the authors
    repeat it now and then.

    Args:
        problem: The problem.
        point: ω_0, a and the validation batch.
        train_batches: Those of the steps, on a leading axis.
        steps: T, at least 1.
        inner_update: The inner update; its optimizer begins with its state.
        decay: γ, as for `hyper_distill`.

    Returns:
        θ, a scalar.

    Raises:
        ValueError: If `steps` is below 1, the batches are not that many, or the update
            has a `start`.

    References:
        Fu, Luo, Feng, Low and Chua, "DrMAD: Distilling Reverse-Mode Automatic
        Differentiation for Optimizing Hyperparameters of Deep Neural Networks", 2016.
    """
    check_at_least(1, steps=steps)
    update = without_start(inner_update, "hyper_distill_size")
    first, outer = point.inner, point.outer
    begin = update.begin(first, outer)
    stacked = train_batches is not None
    last = descend(
        problem.inner_loss, update, begin, outer, train_batches, steps, stacked
    )[0]
    _, cotangent, direct = outer_gradient(problem, point._replace(inner=last))
    final = jax.tree.map(lambda x: x[-1], train_batches)
    kind = common_type(decay, at_least_single(*jax.tree.leaves(first)))

    def back(carry: Any, given: Any) -> tuple[Any, tuple[Array, Array]]:
        adjoint, indirect, average = carry
        place, own = given
        omega = _moved(first, last, place / steps)
        adjoint, part, _ = _pulled(problem, update, omega, outer, own, adjoint)
        indirect = optax.tree.add(indirect, part)
        done = (steps - place).astype(kind)  # s, of which this is the last
        length = _length(decay, done)
        # The newest weights are the first ones here: each weighs less than the one
        # before it.
        share = decay ** (done - 1) / length
        average = _moved(average, omega, share)
        _, along, _ = _pulled(problem, update, average, outer, final, cotangent)
        found = inner_product(along, indirect) * _inverse(optax.tree.norm(along))
        return (adjoint, indirect, average), (length, found)

    carry = cotangent, optax.tree.zeros_like(direct), optax.tree.zeros_like(first)
    places = jnp.arange(steps)
    _, (lengths, products) = jax.lax.scan(
        back, carry, (places, train_batches), reverse=True
    )
    return jnp.sum(lengths * products) / jnp.sum(lengths**2)


def _length(decay: Number, steps: Array) -> Array:
    """1 + γ + … + γ^{t−1}, in the type of t."""
    return (1 - decay**steps) / (1 - decay)


def _moved(tree: Any, towards: Any, share: Number) -> Any:
    """The tree, moved by this share of the way."""
    return optax.tree.add(tree, scale(share, optax.tree.sub(towards, tree)))


def _inverse(norm: Array) -> Array:
    """1/‖u‖, and 0 where u is zero."""
    return jnp.where(norm > 0, 1 / jnp.where(norm > 0, norm, 1), 0)


def _pulled(
    problem: BilevelProblem,
    update: InnerUpdate,
    inner: Inner,
    outer: Outer,
    batch: Batch,
    cotangent: Inner,
) -> tuple[Inner, Outer, Array]:
    """vᵀ ∂Φ/∂ω and vᵀ ∂Φ/∂a, and how many slopes were not finite."""

    def phi(omega: Inner, a: Outer) -> Inner:
        gradient = jax.grad(problem.inner_loss)(omega, a, batch)
        return update.advance(omega, gradient, update.state, a)[0]

    new, pull = jax.vjp(phi, inner, outer)
    (by_inner, by_outer), missing = finite_or_zero(
        pull(cotangent), (new, inner, outer, cotangent)
    )
    return by_inner, by_outer, missing
