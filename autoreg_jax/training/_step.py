"""Training of ω from scratch, architecture and loss weights fixed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array

from autoreg_jax.losses import Terms
from autoreg_jax.training._best import no_best


@struct.dataclass
class TrainState:
    """What the next iteration needs.

    Attributes:
        step: Iterations done, int32 scalar.
        params: Network weights ω.
        optimizer: Optax state.
        average: Exponential average of ω; None without one.
        best: The best of the weights that were validated, a `Best`; None where the last
            ones are kept.
    """

    step: Any
    params: Any
    optimizer: Any
    average: Any = None
    best: Any = None

    @property
    def averaged(self) -> Any:
        """The weights that are validated: the average of ω, or ω."""
        return self.params if self.average is None else self.average

    @property
    def chosen(self) -> Any:
        """The weights of the model: the best ones, or the last ones."""
        return self.averaged if self.best is None else self.best.params


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


class Gradient(NamedTuple):
    """The gradient of a batch, and what comes with it.

    Attributes:
        params: ∇_ω L_reg, like ω.
        loss: L_reg.
        terms: Its named terms, unweighted.
    """

    params: Any
    loss: Array
    terms: Terms


class TrainingAlgorithm(NamedTuple):
    """Pure functions.

    Attributes:
        init: `params -> state`.
        gradient: `(state, batch) -> gradient`. The mean of those of several batches is
            that of all of them as one.
        update: `(state, gradient, used) -> (state, info)`.
    """

    init: Callable[[Any], TrainState]
    gradient: Callable[[TrainState, Any], Gradient]
    update: Callable[[TrainState, Gradient, Any], tuple[TrainState, TrainInfo]]

    def step(
        self, state: TrainState, batch: Any, used: Any = None
    ) -> tuple[TrainState, TrainInfo]:
        """One step with one batch.

        Args:
            state: Before it.
            batch: As the loss takes it.
            used: Handed on to an optimizer that asks for it, unless it is None.
        """
        return self.update(state, self.gradient(state, batch), used)


def moved_average(average: Any, params: Any, step: Any, decay: float) -> Any:
    """ā ← d ā + (1 − d) ω with d = min(decay, (1 + t) / (10 + t)).

    The decay grows with the steps, so that the average follows ω at first and the start
    has no weight of its own: no correction of a bias is needed.

    Args:
        average: ā before the step, equal to ω before the first one.
        params: ω after the step, of the same structure.
        step: t, steps done before this one.
        decay: Largest d, in (0, 1).

    Returns:
        ā after the step.
    """
    size = 1 - jnp.minimum(decay, (1 + step) / (10 + step))
    return optax.incremental_update(params, average, size)


def make_training(
    loss_and_terms: Callable[[Any, Any], tuple[Array, Terms]],
    optimizer: optax.GradientTransformation,
    average: Callable[[Any, Any, Any], Any] | None = None,
    *,
    keeps_best: bool = False,
) -> TrainingAlgorithm:
    """Gradient steps on a loss with named terms.

    Args:
        loss_and_terms: `(params, batch) -> (loss, terms)`.
        optimizer: Optax optimizer of ω.
        average: `(average, params, step) -> average`, as `moved_average`; None: there
            is none.
        keeps_best: The state has a place for the best weights, see `better`.

    Returns:
        The algorithm, pure functions that are meant to be jitted by the caller.
    """

    def init(params: Any) -> TrainState:
        state = TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))
        if average is not None:
            state = replace(state, average=jax.tree.map(jnp.copy, params))
        return replace(state, best=no_best(params)) if keeps_best else state

    def gradient(state: TrainState, batch: Any) -> Gradient:
        (loss, terms), found = jax.value_and_grad(loss_and_terms, has_aux=True)(
            state.params, batch
        )
        return Gradient(found, loss, terms)

    def update(
        state: TrainState, gradient: Gradient, used: Any
    ) -> tuple[TrainState, TrainInfo]:
        more = {} if used is None else {"used": used}
        updates, optimizer_state = optimizer.update(
            gradient.params, state.optimizer, state.params, **more
        )
        params = optax.apply_updates(state.params, updates)
        norm = optax.tree.norm(gradient.params)
        is_finite = jnp.isfinite(gradient.loss + norm)
        info = TrainInfo(gradient.loss, gradient.terms, norm, is_finite)
        new = replace(
            state, step=state.step + 1, params=params, optimizer=optimizer_state
        )
        if average is not None:
            new = replace(new, average=average(state.average, params, state.step))
        return new, info

    return TrainingAlgorithm(init, gradient, update)
