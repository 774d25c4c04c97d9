"""Steps that are not taken: what an update must not be, and the state without it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

# Longest gradient where there is none to compare it with. Those of the first steps of a
# network are well below 1e4.
_FIRST = 1e8
# Share of a new length in the average.
_NEW = 0.1


class Watched(NamedTuple):
    """State of an optimizer that knows how long gradients are.

    Attributes:
        length: ‖g‖ of the last gradient, float32.
        usual: Exponential average of the lengths; 0 before the first one.
        state: Of the optimizer.
    """

    length: Array
    usual: Array
    state: Any


class Guarded(NamedTuple):
    """The info of a step that may have been left out.

    Attributes:
        info: Of the step; may be NaN where it was left out.
        is_skipped: Whether it was.
        length: ‖g‖, the longest of several.
        times: How many times the usual length that is; 0 for the first.
    """

    info: Any
    is_skipped: Array
    length: Array
    times: Array


def watched(
    optimizer: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
    """The same updates; the state remembers how long gradients are.

    Args:
        optimizer: Any.

    Examples:
        >>> import optax
        >>> optimizer = watched(optax.sgd(1.0))
        >>> state = optimizer.init(jnp.zeros(2))
        >>> _, state = optimizer.update(jnp.array([3.0, 4.0]), state)
        >>> float(state.length), float(state.usual)
        (5.0, 5.0)
    """
    inner = optax.with_extra_args_support(optimizer)

    def init(params: Any) -> Watched:
        # Buffers of their own: a state that is donated holds none twice.
        length, usual = (jnp.zeros((), jnp.float32) for _ in range(2))
        return Watched(length, usual, inner.init(params))

    def update(
        updates: Any, state: Any, params: Any = None, **more: Any
    ) -> tuple[Any, Watched]:
        length = optax.tree.norm(jax.lax.stop_gradient(updates))
        length = jnp.asarray(length, jnp.float32)
        moved = state.usual + jnp.float32(_NEW) * (length - state.usual)
        usual = jnp.where(state.usual == 0, length, moved)
        updates, after = inner.update(updates, state.state, params, **more)
        return updates, Watched(length, usual, after)

    return optax.GradientTransformationExtraArgs(init, update)


def checked_step(
    before: Any,
    after: Any,
    info: Any,
    *,
    most_times: float,
    is_sane: Callable[[Any, Any], Any] = lambda state, info: True,
) -> tuple[Any, Guarded]:
    """The state after a step, or the one before it if the step is none to be taken.

    It is not if a number of the info, or one of the state that was finite, is NaN or
    infinite, if a gradient is too long, or if `is_sane` says so. The state before is
    then returned bit for bit, moments, counts and average of the lengths included.

    Args:
        before: A state; lengths are those of the `Watched` in it.
        after: The state after the step.
        info: A pytree of arrays.
        most_times: Longest gradient, by the average of those before.
        is_sane: `(after, info) -> bool`, a condition of your own.

    Returns:
        The state and the info, with what was decided.

    Examples:
        >>> before, after = {"w": jnp.ones(2)}, {"w": jnp.array([1.0, jnp.inf])}
        >>> state, info = checked_step(before, after, (), most_times=10.0)
        >>> state["w"].tolist(), bool(info.is_skipped)
        ([1.0, 1.0], True)
    """
    is_sound = jnp.asarray(is_sane(after, info))
    for leaf in jax.tree.leaves(info):
        is_sound &= jnp.isfinite(leaf).all()
    for old, new in zip(*map(jax.tree.leaves, (before, after)), strict=True):
        # The score of no best weights is infinite from the begin.
        is_sound &= (jnp.isfinite(new) | ~jnp.isfinite(old)).all()
    length = times = jnp.zeros((), jnp.float32)
    for old, new in zip(*map(_watches, (before, after)), strict=True):
        ratio = jnp.where(old.usual > 0, new.length / old.usual, 0.0)
        is_first_short = (old.usual > 0) | (new.length <= _FIRST)
        is_sound &= (is_first_short & (ratio <= most_times)).all()
        length = jnp.maximum(length, jnp.max(new.length))
        times = jnp.maximum(times, jnp.max(ratio))
    state = jax.tree.map(lambda new, old: jnp.where(is_sound, new, old), after, before)
    return state, Guarded(info, ~is_sound, length, times)


def _watches(state: Any) -> list[Watched]:
    leaves = jax.tree.leaves(state, is_leaf=lambda node: isinstance(node, Watched))
    return [leaf for leaf in leaves if isinstance(leaf, Watched)]
