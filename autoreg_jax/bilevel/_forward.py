"""λ by forward mode: derivatives of ω by the log ratios, carried along a training."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.bilevel._far import (
    Control,
    FarAlgorithm,
    FarState,
    MoveInfo,
    after_move,
    counter,
    repeated,
    taken,
    where,
)
from autoreg_jax.bilevel._log_ratios import moved_ratios, ratio_names
from autoreg_jax.bilevel._problem import PairBatch
from autoreg_jax.bilevel._step import InnerInfo, SearchAlgorithm, SearchState
from autoreg_jax.hypergrad import (
    BilevelProblem,
    Hypergradient,
    Point,
    from_optax,
    online_forward_mode,
)
from autoreg_jax.losses import Weights


class Carried(NamedTuple):
    """What forward mode carries.

    Attributes:
        tangents: State of `hypergrad.online_forward_mode`.
        since: Steps since the last move, int32 scalar.
        total: Sum of the derivatives in the window so far.
        squares: Sum of their squares.
        loss: Sum of the outer losses.
    """

    tangents: Any
    since: Array
    total: dict[str, Array]
    squares: dict[str, Array]
    loss: Array


TangentStep = Callable[..., tuple[Hypergradient, Any]]
"""`(tangents, (omega, optimizer), lam, train_batch, valid_batches) -> (estimate,
tangents)`, pure."""


def tangent_step(
    problem: BilevelProblem, omega_optimizer: optax.GradientTransformation
) -> TangentStep:
    """One step of the derivatives of ω and of its optimizer by the log ratios.

    Args:
        problem: Of λ, whose losses have forward derivatives; the outer loss takes a
            tuple of validation batches.
        omega_optimizer: Of ω.
    """

    def inner_loss(omega: Any, moves: Any, batch: Any) -> Array:
        lam, pairs = batch
        return problem.inner_loss(omega, moved_ratios(lam, moves), pairs)

    def outer_loss(omega: Any, moves: Any, batch: Any) -> Array:
        lam, pairs = batch
        return problem.outer_loss(omega, moved_ratios(lam, moves), pairs)

    ratios = BilevelProblem(inner_loss, outer_loss)

    def step(
        tangents: Any, member: Any, lam: Weights, train: Any, valid: Any
    ) -> tuple[Hypergradient, Any]:
        omega, state = member
        zeros = {name: jnp.zeros_like(lam[name]) for name in ratio_names(lam)}
        return online_forward_mode(state).estimate(
            ratios,
            tangents,
            Point(omega, zeros, (lam, train), (lam, valid)),
            inner_update=from_optax(omega_optimizer, state),
        )

    return step


def make_forward(
    algorithm: SearchAlgorithm,
    step: TangentStep,
    optimizer: optax.GradientTransformation,
    control: Control,
    *,
    horizon: int,
    window: int,
    go_on: str,
) -> FarAlgorithm:
    """Forward mode with few, rare moves of what all steps share (Micaelli, 2021).

    The derivative is the mean over the last steps before a move, each on validation
    pairs of its own. Its standard error takes them as independent, which neighbouring
    steps are not.

    Args:
        algorithm: Its `inner_step` trains ω.
        step: See `tangent_step`, compiled or not.
        optimizer: Of the log ratios.
        control: How conditions are decided.
        horizon: Steps between two moves.
        window: How many of them are averaged.
        go_on: After a move the tangents are forgotten (`together`), kept (`apart`), or
            ω begins anew, too (`anew`).

    References:
        Micaelli and Storkey, "Gradient-based Hyperparameter Optimization Over Long
        Horizons", NeurIPS 2021.
    """

    def empty(lam: Weights, tangents: Any) -> Carried:
        total, squares = (
            {name: jnp.zeros(()) for name in ratio_names(lam)} for _ in range(2)
        )
        return Carried(tangents, counter(), total, squares, jnp.zeros(()))

    def start_of(omega: Any, lam: Weights) -> tuple[Any, Any]:
        return omega, algorithm.init(omega, lam).omega_optimizer

    def init(omega: Any, lam: Weights) -> FarState:
        member = start_of(omega, lam)
        ratios = {name: jnp.asarray(lam[name]) for name in ratio_names(lam)}
        tangents = online_forward_mode(member[1]).init(omega, ratios)
        return FarState(
            step=counter(),
            members=repeated(member, 1),
            outer=lam,
            outer_optimizer=optimizer.init(ratios),
            carried=empty(lam, tangents),
            first=jnp.array(omega) if go_on == "anew" else (),
            horizon=counter(),
            training_steps=counter(),
        )

    def train(
        state: FarState, batch: PairBatch, valid: Any, is_far: Any
    ) -> tuple[FarState, InnerInfo]:
        lam, member = state.outer, taken(state.members, 0)
        begins = jnp.logical_and(is_far, state.horizon == 0)
        tangents = state.carried.tangents
        tangents = where(begins, optax.tree.zeros_like(tangents), tangents)
        if go_on == "anew":
            member = where(begins, start_of(state.first, lam), member)

        def carry(carried: Carried) -> Carried:
            found, tangents = step(carried.tangents, member, lam, batch, valid)
            is_counted = carried.since >= horizon - window
            grad = found.grad
            add = lambda total, x: total + jnp.where(is_counted, x, 0.0)  # noqa: E731
            return Carried(
                tangents,
                carried.since + 1,
                jax.tree.map(add, carried.total, grad),
                jax.tree.map(lambda s, g: add(s, g**2), carried.squares, grad),
                add(carried.loss, found.value),
            )

        carried = state.carried._replace(tangents=tangents)
        carried = control.choose(is_far, carry, lambda same: same, carried)
        before = SearchState(state.step, member[0], lam, member[1], (), ())
        after, info = algorithm.inner_step(before, batch)
        new = replace(
            state,
            step=state.step + 1,
            members=repeated((after.omega, after.omega_optimizer), 1),
            carried=carried,
            horizon=state.horizon + jnp.asarray(is_far, jnp.int32),
            training_steps=state.training_steps
            + jnp.where(is_far, 1 + 2 * len(ratio_names(lam)), 1),
        )
        return new, info

    def move(state: FarState, valid: Sequence[PairBatch]) -> tuple[FarState, MoveInfo]:
        del valid
        carried = state.carried
        count = jnp.minimum(carried.since, window)
        mean = jax.tree.map(lambda total: total / count, carried.total)

        def spread(squares: Array, mean: Array) -> Array:
            variance = jnp.maximum(squares / count - mean**2, 0.0)
            return jnp.sqrt(variance / jnp.maximum(count - 1, 1))

        error = jax.tree.map(spread, carried.squares, mean)
        loss = carried.loss / count
        state = replace(state, carried=empty(state.outer, carried.tangents))
        return after_move(
            state, optimizer, mean, error, loss, keeps_horizon=go_on == "apart"
        )

    return FarAlgorithm(init, train, move)
