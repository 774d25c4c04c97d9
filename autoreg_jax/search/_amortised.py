"""λ by one network for all λ, which is told the weights."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.losses import Weights
from autoreg_jax.search._far import (
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
from autoreg_jax.search._log_ratios import moved_ratios, ratio_names
from autoreg_jax.search._problem import PairBatch
from autoreg_jax.search._step import InnerInfo, SearchAlgorithm, SearchState

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
        algorithm: Its `inner_step` trains ω of a network that is told λ.
        slope: Of the judge of the same network.
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
        moves = reach * (2 * spread(state.step, len(names)) - 1)
        near = moved_ratios(state.outer, dict(zip(names, moves, strict=True)))
        omega, optimizer_state = taken(state.members, 0)
        before = SearchState(state.step, omega, near, optimizer_state, (), ())
        after, info = algorithm.inner_step(before, batch)
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


def spread(step: Any, count: int) -> Array:
    """A point of the unit cube that fills it evenly with the steps, without a key.

    The additive recurrence on powers of the generalised golden ratio (Roberts 2018).

    Args:
        step: Number of the point, int32 scalar.
        count: Axes, >= 1.

    Returns:
        `(count,)` in [0, 1).
    """
    ratio = 2.0
    for _ in range(30):  # x^(count + 1) = x + 1
        ratio = (1 + ratio) ** (1 / (count + 1))
    shares = jnp.asarray([(1 / ratio) ** (axis + 1) for axis in range(count)])
    # It begins again after some thousand points, beyond which float32 is too coarse.
    place = jax.lax.rem(jnp.asarray(step, jnp.int32), 4096)
    return jnp.mod(0.5 + shares * place, 1.0)
