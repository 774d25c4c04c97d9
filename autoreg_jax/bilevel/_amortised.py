"""λ by one network for all λ, which is told the weights."""

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
)
from autoreg_jax.bilevel._log_ratios import log_ratios, ratio_names, spread_ratios
from autoreg_jax.bilevel._problem import PairBatch
from autoreg_jax.bilevel._step import InnerInfo, SearchAlgorithm, SearchState
from autoreg_jax.losses import Weights

Slope = Callable[[Any, Weights, PairBatch], tuple[Array, Weights]]
"""`(omega, lam, batch) -> (outer loss, its gradient by λ)`."""


def make_amortised(
    algorithm: SearchAlgorithm,
    slope: Slope,
    optimizer: optax.GradientTransformation,
    control: Control,
    *,
    reach: float,
) -> FarAlgorithm:
    """The gradient of the judge by what a conditioned network is told.

    Each step of ω is one under other weights, whose log ratios are spread evenly within
    `reach` of those of λ, and the network is told which. So ω answers for all weights
    around λ, as trainings of their own would, and ∂L_v(ω, λ)/∂λ is exact for this ω:
    the horizon is the whole training so far. What is biased is the network: it serves
    many λ and is best for none of them. Moves cost gradients of the judge alone.

    Args:
        algorithm: Its `inner_step` trains ω of a network that is told the log ratios of
            λ, the condition of the batch.
        slope: Of the judge of the same network; it passes λ to the network, see `told`.
        optimizer: Of the log ratios.
        control: How loops are run.
        reach: Largest distance of a log ratio, > 0.

    References:
        MacKay et al., "Self-Tuning Networks", ICLR 2019; Hoopes et al., "HyperMorph",
        IPMI 2021.
    """

    def init(omega: Any, lam: Weights) -> FarState:
        start = omega, algorithm.init(omega, lam).omega_optimizer
        return FarState(
            step=counter(),
            members=repeated(start, 1),
            outer=lam,
            outer_optimizer=optimizer.init({n: lam[n] for n in ratio_names(lam)}),
            carried=(),
            first=(),
            horizon=counter(),
            training_steps=counter(),
        )

    def train(
        state: FarState, batch: PairBatch, valid: Any, is_far: Any
    ) -> tuple[FarState, InnerInfo]:
        del valid, is_far  # it is the same step before the first move
        names = ratio_names(state.outer)
        near, _ = spread_ratios(state.outer, names, reach, state.step)
        omega, optimizer_state = taken(state.members, 0)
        before = SearchState(state.step, omega, near, optimizer_state, (), ())
        after, info = algorithm.inner_step(before, told(batch, near))
        new = replace(
            state,
            step=state.step + 1,
            members=put(state.members, 0, (after.omega, after.omega_optimizer)),
            horizon=state.horizon + 1,
            training_steps=state.training_steps + 1,
        )
        return new, info

    def move(state: FarState, valid: Sequence[PairBatch]) -> tuple[FarState, MoveInfo]:
        lam, pairs = state.outer, len(valid)
        batches = jax.tree.map(lambda *arrays: jnp.stack(arrays), *valid)

        def body(pair: Any, found: Any) -> Any:
            loss, gradient = slope(state.omega, lam, taken(batches, pair))
            row = {name: lam[name] * gradient[name] for name in ratio_names(lam)}
            return put(found, pair, (loss, row))

        none = jnp.zeros(pairs)
        found = none, dict.fromkeys(ratio_names(lam), none)
        losses, slopes = control.repeat(0, pairs, body, found)
        mean = {name: jnp.mean(slopes[name]) for name in slopes}
        error = {name: jnp.zeros(()) for name in slopes}  # unknown from one batch
        if pairs > 1:
            size = math.sqrt(pairs)
            error = {n: jnp.std(slope, ddof=1) / size for n, slope in slopes.items()}
        loss = jnp.mean(losses)
        return after_move(state, optimizer, mean, error, loss, keeps_horizon=True)

    return FarAlgorithm(init, train, move)


def told(batch: PairBatch, lam: Weights) -> PairBatch:
    """The batch of a network that is told the log ratios of λ."""
    return batch._replace(condition=log_ratios(lam))
