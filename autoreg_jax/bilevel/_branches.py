"""λ by branches: trainings of K steps under λ and under each ratio times a factor."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

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
    put,
    repeated,
    taken,
    where,
)
from autoreg_jax.bilevel._log_ratios import ratio_names
from autoreg_jax.bilevel._problem import PairBatch
from autoreg_jax.bilevel._step import InnerInfo, SearchAlgorithm, SearchState
from autoreg_jax.losses import Weights


def make_branches(
    algorithm: SearchAlgorithm,
    outer_loss: Callable[[Any, Weights, PairBatch], Array],
    optimizer: optax.GradientTransformation,
    control: Control,
    *,
    factor: float,
    go_on: str,
) -> FarAlgorithm:
    """Differences of the outer loss between trainings that share ω and their pairs.

    The derivative by the log ratio of term i is [L_v(ω_i) − L_v(ω)] / log(factor), in
    which ω_i has learned with λ_i times the factor and ω with λ, both from the same ω.
    Its standard error is that of the mean over the validation pairs. Between two moves
    n weights cost n trainings.

    Args:
        algorithm: Its `inner_step` trains ω.
        outer_loss: The judge, of a batch.
        optimizer: Of the log ratios.
        control: How loops are run.
        factor: Greater than 1.
        go_on: After a move all members go on from the present ω (`together`), from
            their own (`apart`), or from the ω before the stage (`anew`).
    """

    def start_of(omega: Any, lam: Weights) -> tuple[Any, Any]:
        return omega, algorithm.init(omega, lam).omega_optimizer

    def init(omega: Any, lam: Weights) -> FarState:
        return FarState(
            step=counter(),
            members=repeated(start_of(omega, lam), len(lam)),
            outer=lam,
            outer_optimizer=optimizer.init({n: lam[n] for n in ratio_names(lam)}),
            carried=(),
            first=jnp.array(omega) if go_on == "anew" else (),
            horizon=counter(),
            training_steps=counter(),
        )

    def train(
        state: FarState, batch: PairBatch, valid: Any, is_far: Any
    ) -> tuple[FarState, InnerInfo]:
        del valid
        count, lam = len(state.outer), state.outer
        members, weights = state.members, _branching(lam, factor)
        start = taken(members, 0)
        if go_on == "anew":
            start = start_of(state.first, lam)
        begins = jnp.logical_and(is_far, state.horizon == 0)
        members = where(begins, repeated(start, count), members)

        def learn(members: Any, place: Any) -> tuple[Any, InnerInfo]:
            omega, optimizer_state = taken(members, place)
            own = taken(weights, place)
            before = SearchState(state.step, omega, own, optimizer_state, (), ())
            after, info = algorithm.inner_step(before, batch)
            return put(members, place, (after.omega, after.omega_optimizer)), info

        def body(number: Any, carried: Any) -> Any:
            members, _, before = carried
            # The first member is the last to learn: its info stays.
            members, info = learn(members, learners - 1 - number)
            return members, info, jnp.logical_and(before, info.is_finite)

        learners = jnp.where(is_far, count, 1)
        info = control.blank(lambda members: learn(members, 0)[1], members)
        is_finite = jnp.ones((), bool)
        members, info, is_finite = control.repeat(
            0, learners, body, (members, info, is_finite)
        )
        new = replace(
            state,
            step=state.step + 1,
            members=members,
            horizon=state.horizon + jnp.asarray(is_far, jnp.int32),
            training_steps=state.training_steps + learners,
        )
        return new, info._replace(is_finite=is_finite)

    def move(state: FarState, valid: Sequence[PairBatch]) -> tuple[FarState, MoveInfo]:
        count, pairs = len(state.outer), len(valid)
        batches = jax.tree.map(lambda *arrays: jnp.stack(arrays), *valid)

        def body(place: Any, losses: Array) -> Array:
            member, pair = place // pairs, place % pairs
            omega = state.members[0][member]
            loss = outer_loss(omega, state.outer, taken(batches, pair))
            return losses.at[member, pair].set(loss)

        losses = control.repeat(0, count * pairs, body, jnp.zeros((count, pairs)))
        slopes = (losses[1:] - losses[:1]) / math.log(factor)
        names = ratio_names(state.outer)
        mean = dict(zip(names, jnp.mean(slopes, 1), strict=True))
        spread = jnp.zeros(count - 1)  # unknown from one batch
        if pairs > 1:
            spread = jnp.std(slopes, 1, ddof=1) / math.sqrt(pairs)
        error = dict(zip(names, spread, strict=True))
        return after_move(
            state,
            optimizer,
            mean,
            error,
            jnp.mean(losses[0]),
            keeps_horizon=go_on == "apart",
        )

    return FarAlgorithm(init, train, move)


def _branching(lam: Weights, factor: float) -> dict[str, Array]:
    """λ of each member: the given one, then those with one ratio times the factor."""
    names = ratio_names(lam)

    def of(name: str, weight: Any) -> Array:
        factors = [factor if name == other else 1.0 for other in names]
        return weight * jnp.asarray([1.0, *factors], jnp.result_type(weight))

    return {name: of(name, weight) for name, weight in lam.items()}
