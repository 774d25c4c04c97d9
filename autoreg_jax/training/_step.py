"""Training of ω from scratch, architecture and loss weights fixed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array

from autoreg_jax.losses import Terms


@struct.dataclass
class TrainState:
    """What the next iteration needs.

    Attributes:
        step: Iterations done, int32 scalar.
        params: Network weights ω.
        optimizer: Optax state.
    """

    step: Any
    params: Any
    optimizer: Any


class TrainInfo(NamedTuple):
    """What a person wants to look at.

    Attributes:
        loss: L_reg before the step.
        terms: Its named terms, unweighted.
        gradient_norm: ‖∇_ω L_reg‖.
        is_finite: Whether loss and gradient are finite.
    """

    loss: Array
    terms: Terms
    gradient_norm: Array
    is_finite: Array


class TrainingAlgorithm(NamedTuple):
    """A pair of pure functions.

    Attributes:
        init: `params -> state`.
        step: `(state, batch) -> (state, info)`.
    """

    init: Callable[[Any], TrainState]
    step: Callable[[TrainState, Any], tuple[TrainState, TrainInfo]]


def make_training(
    loss_and_terms: Callable[[Any, Any], tuple[Array, Terms]],
    optimizer: optax.GradientTransformation,
) -> TrainingAlgorithm:
    """Gradient steps on a loss with named terms.

    Args:
        loss_and_terms: `(params, batch) -> (loss, terms)`.
        optimizer: Optax optimizer of ω.

    Returns:
        The algorithm. Its step is a pure function, meant to be jitted by the caller.
    """

    def init(params: Any) -> TrainState:
        return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))

    def step(state: TrainState, batch: Any) -> tuple[TrainState, TrainInfo]:
        (loss, terms), gradient = jax.value_and_grad(loss_and_terms, has_aux=True)(
            state.params, batch
        )
        updates, optimizer_state = optimizer.update(
            gradient, state.optimizer, state.params
        )
        params = optax.apply_updates(state.params, updates)
        norm = optax.tree.norm(gradient)
        info = TrainInfo(loss, terms, norm, jnp.isfinite(loss + norm))
        return TrainState(state.step + 1, params, optimizer_state), info

    return TrainingAlgorithm(init, step)
