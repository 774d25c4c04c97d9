"""Tangents that are carried along the training itself."""

from typing import Any, NamedTuple

import optax

from autoreg_jax.hypergrad._base import (
    BilevelProblem,
    Hypergradient,
    HypergradientEstimator,
    Inner,
    InnerUpdate,
    Outer,
    Point,
    State,
    UpdateFn,
    make_hypergradient,
    outer_gradient,
)
from autoreg_jax.hypergrad._inner_update import as_inner_update
from autoreg_jax.hypergrad._trajectory import (
    contract,
    tangent_step,
    unit_vectors,
    zero_tangents,
)


class Tangents(NamedTuple):
    """What the online forward mode carries, each with a leading axis of dim(a).

    Attributes:
        inner: Z = dω/da.
        optimizer: Derivatives of the floating leaves of the optimizer state.
    """

    inner: Inner
    optimizer: list[Any]


def online_forward_mode(optimizer_state: State = ()) -> HypergradientEstimator:
    """Real-time hyperparameter optimisation: infinite horizon at the price of a step.

    Each call pushes Z = dω/da through one inner step, ω′ = Φ(ω, a), and returns
    ∂_a L_v(ω′) + Zᵀ ∇_ω L_v(ω′). The caller must then make the very same step of ω.
    The first call is `one_step_unroll()`; with a fixed, call K is `unroll(K)` from the
    start. With a moving there is a bias of the order of the outer learning rate.

    Args:
        optimizer_state: A state of the optimizer of ω (its shapes are what matters),
            so that derivatives of its moments are carried; the updates given to
            `estimate` must have states of the same structure.

    Returns:
        An estimator that carries dim(a) trees like (ω, optimizer state); diagnostics
        `tangent_norm` ‖Z‖ and `nonfinite`, the number of entries of the tangents that
        had no value and count as zero (dead units under fresh Adam).

    References:
        Franceschi et al., ICML 2017, Sec. 3.3.
    """

    def init(inner: Inner, outer: Outer) -> State:
        return Tangents(*zero_tangents((inner, optimizer_state), outer))

    def estimate(
        problem: BilevelProblem,
        state: State,
        point: Point,
        *,
        inner_update: InnerUpdate | UpdateFn,
    ) -> tuple[Hypergradient, State]:
        inner, outer, train_batch, _ = point
        update = as_inner_update(inner_update)
        (omega, _), after, missing = tangent_step(
            problem,
            update,
            (inner, update.state),
            (state.inner, state.optimizer),
            outer,
            unit_vectors(outer),
            train_batch,
        )
        value, cotangent, direct = outer_gradient(problem, point._replace(inner=omega))
        indirect = contract(cotangent, after[0], outer)
        hyper = make_hypergradient(
            direct,
            indirect,
            value,
            tangent_norm=optax.tree.norm(after[0]),
            nonfinite=missing,
        )
        return hyper, Tangents(*after)

    return HypergradientEstimator(init, estimate)
