"""Forward mode along the training itself."""

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
    """State of the online forward mode, each leaf with a leading axis of dim(a).

    Attributes:
        inner: Z = dω/da.
        optimizer: Derivatives of the floating-point leaves of the optimizer state.
    """

    inner: Inner
    optimizer: list[Any]


def online_forward_mode(optimizer_state: State = ()) -> HypergradientEstimator:
    """Real-time hyperparameter optimisation: infinite horizon at the cost of one step.

    Each call pushes Z = dω/da through one inner step, ω′ = Φ(ω, a), and returns
    ∂_a L_v(ω′) + Zᵀ ∇_ω L_v(ω′). The caller must then take exactly this step of ω. The
    first call equals `one_step_unroll()`; for constant a, call K equals `unroll(K)`
    from the start. If a changes, the bias is of the order of the outer learning rate.

    Args:
        optimizer_state: A state of the optimizer of ω, for its shapes only: its moments
            have tangents, too. The updates passed to `estimate` must have states of the
            same structure.

    Returns:
        An estimator whose state is dim(a) trees like (ω, optimizer state); diagnostics
        `tangent_norm` ‖Z‖ and `nonfinite`, the number of non-finite entries of the
        tangents, which are set to zero (dead units in the first steps of Adam).

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
