"""UORO: the tangents of online forward mode as one random product of two vectors."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    AnyUpdate,
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
from autoreg_jax.hypergrad._second_order import (
    MixedBackend,
    forward_over_reverse,
    mixed_term,
)
from autoreg_jax.hypergrad._trajectory import tangent_step, without_start
from autoreg_jax.hypergrad._trees import (
    finite_or_zero,
    gaussian_like,
    inner_product,
    scale,
    split_floats,
)


class RankOne(NamedTuple):
    """State: a random s θᵀ whose mean is Z = d(ω, s_Φ)/da.

    Attributes:
        left: s, like ω and the floating-point leaves of the optimizer state.
        right: θ, like a.
        step: Number of calls, an int32 scalar.
    """

    left: tuple[Inner, list[Any]]
    right: Outer
    step: Array


def unbiased_online_recurrent_optimisation(
    optimizer_state: State = (),
    seed: int | Array = 0,
    *,
    mixed: MixedBackend = forward_over_reverse,
) -> HypergradientEstimator:
    """UORO: `online_forward_mode` at the price of one entry of a, unbiased but noisy.

    With J the derivative of the inner step ω′ = Φ(g, ω) by ω, P that by its gradient g,
    M = ∂²_{aω} L_t, and random signs ν like ω,

        s ← ρ₀ J s + ρ₁ P ν,   θ ← θ/ρ₀ + M ν/ρ₁,   h = ∂_a L_v + ⟨s, ∇_ω L_v⟩ θ

    at ω′. The mean of s θᵀ over the signs is Z = J Z + P Mᵀ, whatever ρ₀, ρ₁ > 0, which
    make both vectors as long as each other; a learning rate that is an outer variable
    has a term with signs like a. Memory and time do not depend on dim(a). The noise of
    one call is of the order √dim(ω) times the indirect part, so average over calls or
    seeds (`jax.vmap`). The caller must then take exactly this step of ω.

    Diagnostics: `tangent_norm` ‖s‖ ‖θ‖, and `nonfinite`, the number of non-finite
    slopes of the update, which are set to zero.

    Args:
        optimizer_state: State of the optimizer of ω at the start.
        seed: Of the signs; may be traced.
        mixed: Backend of the mixed product M ν.

    Returns:
        An estimator whose state is s, θ and its number of calls; `end` is ω′ with the
        new state of its optimizer. `estimate` raises `ValueError` if the update has a
        `start`, or another state than `optimizer_state`.

    References:
        Tallec and Ollivier, "Unbiased Online Recurrent Optimization", ICLR 2018.
    """

    def init(inner: Inner, outer: Outer) -> State:
        left = inner, split_floats(optimizer_state)[0]
        zeros = optax.tree.zeros_like
        return RankOne(zeros(left), zeros(outer), jnp.zeros((), jnp.int32))

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        update = without_start(inner_update, "unbiased_online_recurrent_optimisation")
        kept, told = len(split_floats(update.state)[0]), len(state.left[1])
        if kept != told:
            raise ValueError(
                "unbiased_online_recurrent_optimisation: the optimizer of ω keeps "
                f"{kept} arrays of floats, but optimizer_state has {told}; give "
                "optimizer.init(inner)."
            )
        stacked, along = (
            jax.tree.map(lambda x: jnp.asarray(x)[None], tree)
            for tree in (state.left, optax.tree.zeros_like(point.outer))
        )
        start = point.inner, update.state
        at = point.outer, along, point.train_batch
        end, pushed, missing = tangent_step(problem, update, start, stacked, *at)
        pushed = jax.tree.map(lambda x: x[0], pushed)
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        products, more = _products(problem, mixed, point, update, key)
        left, right = _balanced(pushed, state.right)
        for product in products:
            left, right = optax.tree.add((left, right), _balanced(*product))
        value, cotangent, direct = outer_gradient(problem, point._replace(inner=end[0]))
        hyper = make_hypergradient(
            direct,
            scale(inner_product(left[0], cotangent), right),
            value,
            end=Iterate(*end),
            tangent_norm=optax.tree.norm(left) * optax.tree.norm(right),
            nonfinite=missing + more,
        )
        return hyper, RankOne(left, right, state.step + 1)

    return HypergradientEstimator(init, estimate)


def _products(
    problem: BilevelProblem,
    mixed: MixedBackend,
    point: Point,
    update: InnerUpdate,
    key: Array,
) -> tuple[list[tuple[Any, Outer]], Array]:
    """Pairs whose products sum to dΦ/da in the mean, and their non-finite slopes."""
    inner, outer, batch, _ = point
    gradient = jax.grad(problem.inner_loss)(inner, outer, batch)

    def phi(g: Inner, a: Outer) -> tuple[Inner, list[Any]]:
        new, after = update.advance(inner, g, update.state, a)
        return new, split_floats(after)[0]

    still = optax.tree.zeros_like((gradient, outer))
    signs = [
        jax.tree.map(jnp.sign, gaussian_like(own, tree))
        for own, tree in zip(jax.random.split(key), (gradient, outer), strict=True)
    ]
    term, _ = mixed_term(problem, mixed, point, signs[0], signs[0])
    probes = [((signs[0], still[1]), term)]
    if update.takes_outer:
        probes.append(((still[0], signs[1]), signs[1]))
    products, missing = [], jnp.zeros((), int)
    for along, right in probes:
        stepped, slope = jax.jvp(phi, (gradient, outer), along)
        left, more = finite_or_zero(slope, (stepped, right))
        products.append((left, right))
        missing = missing + more
    return products, missing


def _balanced(left: Any, right: Any) -> tuple[Any, Any]:
    """ρ left and right/ρ, as long as each other; ρ = 1 if one of them is zero."""
    sizes = optax.tree.norm(right), optax.tree.norm(left)
    is_one = (sizes[0] == 0) | (sizes[1] == 0)
    ratio = jnp.where(is_one, 1.0, sizes[0]) / jnp.where(is_one, 1.0, sizes[1])
    factor = jnp.sqrt(ratio)
    return scale(factor, left), scale(1 / factor, right)
