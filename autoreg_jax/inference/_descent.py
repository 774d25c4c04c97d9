"""Adam on the field of one pair, from one of two starts."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax import Array

# Without progress for so many steps, of less than this part of all that was gained, a
# descent that may end early ends.
_PATIENCE, _FLAT = 10, 1e-3


def descend(
    loss: Callable[[Array], Array],
    safe: Array,
    start: Array,
    *,
    num_iterations: int,
    learning_rate: float | Array,
    eps: float = 1e-8,
    ends_early: bool = False,
) -> tuple[Array, Array, Array]:
    """Minimise a loss from `start`, and never end above the loss of `safe`.

    The iterate 0 is `safe`, the iterate 1 `start`, from which Adam sets out. Its rate
    falls to zero along a cosine: a constant one leaves an oscillation behind.

    Args:
        loss: A scalar of one array.
        safe: What is returned where nothing was better.
        start: The same shape.
        num_iterations: Largest number of steps, ≥ 1.
        learning_rate: Of Adam.
        eps: Of Adam; below it a gradient is noise, not a direction.
        ends_early: Whether it ends where the loss is flat.

    Returns:
        The best iterate, its loss, and the loss of `safe`.
    """
    schedule = optax.cosine_decay_schedule(learning_rate, num_iterations)
    optimizer = optax.adam(schedule, eps=eps)
    value_and_gradient = jax.value_and_grad(loss)
    patience = _PATIENCE if ends_early else num_iterations + 2

    def step(carry):
        count, iterate, state, best, best_loss, safe_loss, mark, idle = carry
        value, gradient = value_and_gradient(iterate)
        best = jnp.where(value < best_loss, iterate, best)
        best_loss = jnp.minimum(best_loss, value)
        safe_loss = jnp.where(count == 0, value, safe_loss)
        # `mark` is the loss from which the next gain worth its steps is counted.
        has_gained = mark - best_loss > _FLAT * (safe_loss - best_loss)
        mark = jnp.where(has_gained, best_loss, mark)
        idle = jnp.where(has_gained, 0, idle + 1)
        updates, moved_on = optimizer.update(gradient, state)
        iterate = jnp.where(count == 0, start, iterate + updates)
        state = optax.tree.where(count == 0, state, moved_on)
        return count + 1, iterate, state, best, best_loss, safe_loss, mark, idle

    def is_going_on(carry):
        return (carry[0] <= num_iterations + 1) & (carry[-1] < patience)

    endless = jnp.asarray(jnp.inf, safe.dtype)
    carry = (0, safe, optimizer.init(safe), safe, endless, endless, endless, 0)
    _, _, _, best, best_loss, safe_loss, *_ = jax.lax.while_loop(
        is_going_on, step, carry
    )
    return best, best_loss, safe_loss
