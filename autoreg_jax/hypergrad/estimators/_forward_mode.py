"""Forward mode: tangents dω/da, through K inner steps or along the training itself."""

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
    Iterate,
    Outer,
    Point,
    State,
    make_hypergradient,
    no_state,
    outer_gradient,
)
from autoreg_jax.hypergrad._checks import check_at_least
from autoreg_jax.hypergrad._trajectory import (
    as_inner_update,
    contract,
    first_tangents,
    no_tangents,
    step_batches,
    tangent_step,
    without_start,
)
from autoreg_jax.hypergrad._trees import unit_vectors


def forward_mode(
    steps: int, *, windows: int | None = None, stacked: bool = False
) -> HypergradientEstimator:
    """The same value as `unroll(steps)`, by tangents Z_k = dω_k/da.

    One tangent for each entry of a: a step costs about 2 dim(a) + 1 gradients, and the
    memory does not depend on the number of steps. For a few loss weights, not for an
    architecture. Not for losses with a `custom_vjp` rule, which has no forward
    derivative.

    With `windows` every leaf of a has a leading axis of W: step k has the entry
    ⌊kW/K⌋, which the K/W steps of a window share, and the outer loss has all of a. So a
    schedule of learning rates over a whole training has few entries, and the noise of
    the gradients of many steps averages out (Micaelli and Storkey).

    Args:
        steps: K > 0.
        windows: W in [1, K], or None, where all steps have the whole a.
        stacked: Whether `train_batch` holds K batches on its leading axis.

    Returns:
        A stateless estimator; `end` is (ω_K, s_K). Diagnostics: `tangent_norm` ‖Z_K‖
        and `nonfinite`, the number of non-finite entries of all tangents, which are set
        to zero (dead units in the first steps of Adam).

    Raises:
        ValueError: If `steps` or `windows` is out of range; in `estimate` if a stacked
            batch does not hold K batches, or a leaf of a not W entries.

    References:
        Franceschi et al., "Forward and Reverse Gradient-Based Hyperparameter
        Optimization", ICML 2017; Micaelli and Storkey, "Gradient-based Hyperparameter
        Optimization Over Long Horizons", NeurIPS 2021.
    """
    check_at_least(1, steps=steps)
    if windows is not None and not 1 <= windows <= steps:
        raise ValueError(f"windows must be in [1, {steps}], got {windows}.")

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        inner, outer, train_batch, _ = point
        update = as_inner_update(inner_update)
        batches = step_batches(train_batch, steps, stacked)
        basis = unit_vectors(outer)
        start = update.begin(inner, outer)
        if windows is not None:
            _check_windows(outer, windows)

        def body(carry: Any, step: Any) -> tuple[Any, Array]:
            count, own = step
            batch = own if stacked else train_batch
            at, along = carry
            seen = outer, basis
            if windows is not None:
                window = count * windows // steps
                seen = _entry(outer, window, 0), _entry(basis, window, 1)
            *moved, missing = tangent_step(problem, update, at, along, *seen, batch)
            return tuple(moved), missing

        carry = start, first_tangents(update, start[0], outer, basis)
        (end, (tangents, _)), missing = jax.lax.scan(
            body, carry, (jnp.arange(steps), batches), length=steps
        )
        value, cotangent, direct = outer_gradient(problem, point._replace(inner=end[0]))
        indirect = contract(cotangent, tangents, outer)
        hyper = make_hypergradient(
            direct,
            indirect,
            value,
            end=Iterate(*end),
            tangent_norm=optax.tree.norm(tangents),
            nonfinite=jnp.sum(missing),
        )
        return hyper, state

    return HypergradientEstimator(no_state, estimate)


def _entry(tree: Outer, index: Array, axis: int) -> Outer:
    return jax.tree.map(
        lambda x: jax.lax.dynamic_index_in_dim(x, index, axis, keepdims=False), tree
    )


def _check_windows(outer: Outer, windows: int) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(outer):
        if jnp.ndim(leaf) < 1 or jnp.shape(leaf)[0] != windows:
            raise ValueError(
                f"outer{jax.tree_util.keystr(path)} must hold {windows} entries on its "
                f"leading axis (windows={windows}), got shape {jnp.shape(leaf)}."
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
        An estimator whose state is dim(a) trees like (ω, optimizer state); `end` is the
        step that the caller must take; diagnostics
        `tangent_norm` ‖Z‖ and `nonfinite`, the number of non-finite entries of the
        tangents, which are set to zero (dead units in the first steps of Adam).

    References:
        Franceschi et al., ICML 2017, Sec. 3.3.
    """

    def init(inner: Inner, outer: Outer) -> State:
        return Tangents(*no_tangents((inner, optimizer_state), outer))

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        inner, outer, train_batch, _ = point
        update = without_start(inner_update, "online_forward_mode")
        end, after, missing = tangent_step(
            problem,
            update,
            (inner, update.state),
            (state.inner, state.optimizer),
            outer,
            unit_vectors(outer),
            train_batch,
        )
        value, cotangent, direct = outer_gradient(problem, point._replace(inner=end[0]))
        indirect = contract(cotangent, after[0], outer)
        hyper = make_hypergradient(
            direct,
            indirect,
            value,
            end=Iterate(*end),
            tangent_norm=optax.tree.norm(after[0]),
            nonfinite=missing,
        )
        return hyper, Tangents(*after)

    return HypergradientEstimator(init, estimate)
