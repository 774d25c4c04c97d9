"""What searches of λ with a long horizon share: state, infos and control."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array

from autoreg_jax.bilevel._log_ratios import moved_ratios, ratio_names
from autoreg_jax.bilevel._step import InnerInfo
from autoreg_jax.losses import Weights


@struct.dataclass
class FarState:
    """What the next step of such a search needs.

    Attributes:
        step: Steps done, int32 scalar.
        members: ω and its optimizer state, each with a leading axis of branches, of
            which the first one learns under λ.
        outer: λ.
        outer_optimizer: Optax state of the log ratios.
        carried: What the method carries besides.
        first: ω before the stage, if it is needed; else an empty tuple.
        horizon: Steps over which the next derivative looks back, int32 scalar.
        training_steps: Training steps so far, those of branches included.
    """

    step: Any
    members: Any
    outer: Any
    outer_optimizer: Any
    carried: Any
    first: Any
    horizon: Any
    training_steps: Any

    @property
    def omega(self) -> Array:
        """ω under λ."""
        return self.members[0][0]


class MoveInfo(NamedTuple):
    """What a move of λ says.

    Attributes:
        valid_loss: The outer loss under λ.
        hypergradient_norm: Norm of the derivative.
        derivative: Of the outer loss by the log ratio of each term.
        standard_error: Of the derivatives.
        horizon: Steps over which they look back.
        training_steps: Training steps since the begin of the stage.
        is_finite: Whether outer loss and derivative are finite.
    """

    valid_loss: Any
    hypergradient_norm: Any
    derivative: Any
    standard_error: Any
    horizon: Any
    training_steps: Any
    is_finite: Any


class FarAlgorithm(NamedTuple):
    """Pure functions, to be jitted, or called as they are on compiled parts.

    A step is `train`, and then `move`, where λ is to move.

    Attributes:
        init: `(omega, lam) -> state`.
        train: `(state, train_batch, valid_batches, is_far) -> (state, InnerInfo)`. In a
            warm-up, where `is_far` is false, ω alone learns. `valid_batches` is a
            tuple.
        move: `(state, valid_batches) -> (state, MoveInfo)`.
    """

    init: Callable[..., FarState]
    train: Callable[..., tuple[FarState, InnerInfo]]
    move: Callable[..., tuple[FarState, MoveInfo]]


class Control(NamedTuple):
    """Conditions and loops: on the device, or on the host around compiled parts.

    Attributes:
        choose: As `jax.lax.cond`.
        repeat: As `jax.lax.fori_loop`.
        blank: `(function, *arguments)`: zeros in the shape of what it returns, where a
            loop has to begin with some.
    """

    choose: Callable[..., Any]
    repeat: Callable[..., Any]
    blank: Callable[..., Any]


def _choose(condition: Any, first: Any, second: Any, *operands: Any) -> Any:
    return first(*operands) if condition else second(*operands)


def _repeat(start: Any, end: Any, body: Any, carried: Any) -> Any:
    for place in range(int(start), int(end)):
        carried = body(place, carried)
    return carried


def _blank(function: Callable[..., Any], *arguments: Any) -> Any:
    shapes = jax.eval_shape(function, *arguments)
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)


ON_DEVICE = Control(jax.lax.cond, jax.lax.fori_loop, _blank)
ON_HOST = Control(_choose, _repeat, lambda *_: None)


def counter() -> Array:
    """Zero, a buffer of its own: a state that is donated holds none twice."""
    return jnp.zeros((), jnp.int32)


def repeated(tree: Any, count: int) -> Any:
    """Copies of a tree along a new leading axis."""
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (count, *jnp.shape(x))), tree)


def taken(tree: Any, place: Any) -> Any:
    """One entry of the leading axis."""
    return jax.tree.map(lambda x: x[place], tree)


def put(tree: Any, place: Any, one: Any) -> Any:
    """The tree with one entry of the leading axis replaced."""
    return jax.tree.map(lambda x, y: x.at[place].set(y), tree, one)


def where(condition: Any, tree: Any, other: Any) -> Any:
    """One of two trees of the same shapes."""
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), tree, other)


def after_move(
    state: FarState,
    optimizer: optax.GradientTransformation,
    derivative: Mapping[str, Array],
    error: Mapping[str, Array],
    valid_loss: Array,
    *,
    keeps_horizon: bool,
) -> tuple[FarState, MoveInfo]:
    """Move λ along the derivative by its log ratios.

    Args:
        state: Before the move.
        optimizer: Of the log ratios.
        derivative: Of the outer loss by each of them.
        error: Its standard error.
        valid_loss: The outer loss.
        keeps_horizon: Whether the next derivative looks back beyond the move.
    """
    moves: Any
    moves, optimizer_state = optimizer.update(dict(derivative), state.outer_optimizer)
    norm = optax.tree.norm(derivative)
    info = MoveInfo(
        valid_loss,
        norm,
        dict(derivative),
        dict(error),
        state.horizon,
        state.training_steps,
        jnp.isfinite(valid_loss + norm),
    )
    new = replace(
        state,
        outer=moved_ratios(state.outer, moves),
        outer_optimizer=optimizer_state,
        horizon=state.horizon if keeps_horizon else jnp.zeros_like(state.horizon),
    )
    return new, info


def no_move(lam: Weights) -> MoveInfo:
    """The info of a step in which λ rests."""
    zero = jnp.zeros((), jnp.float32)
    none, count = dict.fromkeys(ratio_names(lam), zero), jnp.zeros((), jnp.int32)
    return MoveInfo(zero, zero, none, none, count, count, jnp.ones((), bool))
