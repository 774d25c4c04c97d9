"""Gradient descent on the field of one pair that returns its best iterate."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

# A descent that may end early ends after so many steps without a gain of at least this
# fraction of all that was gained.
_PATIENCE, _FLAT = 10, 1e-3


class Descent(NamedTuple):
    """State of a descent.

    Attributes:
        num_evaluations: Iterates that were evaluated.
        iterate: The iterate to evaluate next.
        loss: Of the iterate that was evaluated last.
        optimizer: State of the optimizer.
    """

    num_evaluations: Array
    iterate: Array
    loss: Array
    optimizer: optax.OptState


class BestSoFar(NamedTuple):
    """State of a descent and the best iterate that it has evaluated.

    Attributes:
        descent: The state.
        best: The best iterate.
        loss: Of the best iterate.
        first_loss: Of the first iterate.
        reference_loss: The loss from which the next gain is counted.
        num_idle: Evaluations since the last gain.
    """

    descent: Descent
    best: Array
    loss: Array
    first_loss: Array
    reference_loss: Array
    num_idle: Array


def best_so_far(
    step: Callable[[Descent], Descent],
) -> Callable[[BestSoFar], BestSoFar]:
    """Wrap the step of any descent so that the best iterate is kept."""

    def tracked(state: BestSoFar) -> BestSoFar:
        evaluated = state.descent
        descent = step(evaluated)
        best = jnp.where(descent.loss < state.loss, evaluated.iterate, state.best)
        loss = jnp.minimum(state.loss, descent.loss)
        is_first = evaluated.num_evaluations == 0
        first_loss = jnp.where(is_first, descent.loss, state.first_loss)
        has_gained = state.reference_loss - loss > _FLAT * (first_loss - loss)
        return BestSoFar(
            descent,
            best,
            loss,
            first_loss,
            reference_loss=jnp.where(has_gained, loss, state.reference_loss),
            num_idle=jnp.where(has_gained, 0, state.num_idle + 1),
        )

    return tracked


def descend(
    loss: Callable[[Array], Array],
    safe: Array,
    start: Array,
    *,
    num_iterations: int | Array,
    learning_rate: float | Array,
    eps: float = 1e-8,
    ends_early: bool = False,
) -> BestSoFar:
    """Minimise a loss by Adam from `start`, and never end above the loss of `safe`.

    The first iterate is `safe`, the second is `start`, from which Adam descends. Its
    learning rate falls to zero along a cosine: a constant one ends in an oscillation.

    Args:
        loss: A scalar function of one array.
        safe: Returned if no iterate is better.
        start: The same shape as `safe`.
        num_iterations: Largest number of steps, ≥ 1; a traced one needs no program of
            its own.
        learning_rate: Initial learning rate of Adam.
        eps: Of Adam; gradients below it are noise, not a direction.
        ends_early: Whether to stop if the loss is flat.

    Returns:
        The final state; `first_loss` is the loss of `safe`.
    """

    def schedule(count: ArrayLike) -> Array:
        # As of Optax, whose number of steps must not be traced.
        step, last = (jnp.asarray(n, safe.dtype) for n in (count, num_iterations))
        cosine = jnp.cos(jnp.pi * jnp.minimum(step, last) / last)
        return learning_rate * (0.5 * (1 + cosine))

    optimizer = optax.adam(schedule, eps=eps)
    patience = _PATIENCE if ends_early else num_iterations + 2

    @best_so_far
    def step(state: Descent) -> Descent:
        value, gradient = jax.value_and_grad(loss)(state.iterate)
        updates, moved_on = optimizer.update(gradient, state.optimizer)
        iterate, kept = optax.tree.where(
            state.num_evaluations == 0,
            (start, state.optimizer),
            (optax.apply_updates(state.iterate, updates), moved_on),
        )
        return Descent(state.num_evaluations + 1, iterate, value, kept)

    def is_unfinished(state: BestSoFar) -> Array:
        is_within = state.descent.num_evaluations <= num_iterations + 1
        return is_within & (state.num_idle < patience)

    zero, infinite = jnp.int32(0), jnp.asarray(jnp.inf, safe.dtype)
    descent = Descent(zero, safe, infinite, optimizer.init(safe))
    initial = BestSoFar(descent, safe, infinite, infinite, infinite, zero)
    return jax.lax.while_loop(is_unfinished, step, initial)
