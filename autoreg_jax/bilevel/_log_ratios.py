"""λ as log ratios to one reference term, and steps with one common normaliser."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.losses import Weights, in_order


def ratio_names(lam: Mapping[str, Any]) -> tuple[str, ...]:
    """The terms that move: all but the first one, to which they are related."""
    return tuple(in_order(lam))[1:]


def moved_ratios(lam: Weights, moves: Mapping[str, Any]) -> dict[str, Any]:
    """λ after moves of some of its log ratios; the other weights stay bit for bit."""
    return {
        name: weight * jnp.exp(moves[name]) if name in moves else weight
        for name, weight in lam.items()
    }


def log_ratios(lam: Weights) -> Array:
    """Logarithms of the ratios to the first term, in the order of `ratio_names`.

    Args:
        lam: Weights, the first one > 0; the ratio of a weight of zero, which stays
            zero, is taken to be 1.
    """
    first, *others = in_order(lam).values()
    rows = [jnp.where(weight > 0, weight / first, 1.0) for weight in others]
    return jnp.log(jnp.stack(rows))


def spread_ratios(
    lam: Weights, names: Sequence[str], reach: float, step: Any
) -> tuple[dict[str, Any], Array]:
    """λ under other log ratios of some terms, which fill a cube with the steps.

    Args:
        lam: The middle of the cube.
        names: Terms that move, one or more of `ratio_names`.
        reach: Half an edge of the cube, > 0.
        step: Number of the step, int32 scalar.

    Returns:
        The weights of this step, and the moves of the log ratios, `(names,)`.
    """
    moves = reach * (2 * spread(step, len(names)) - 1)
    return moved_ratios(lam, dict(zip(names, moves, strict=True))), moves


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


class NormalisedState(NamedTuple):
    """State of `normalised_steps`.

    Attributes:
        steps: Steps so far, int32 scalar.
        mean: Running mean of the gradient.
        square: Running mean of its squared norm, a scalar.
    """

    steps: Array
    mean: Any
    square: Array


def normalised_steps(
    learning_rate: Any, beta1: Any = 0.0, beta2: Any = 0.999, floor: Any = 0.0
) -> optax.GradientTransformation:
    """−η m̂ / max(√v̂, floor): Adam whose second moment is that of the whole vector.

    v is the running mean of the squared norm of the gradient. So the direction is that
    of the gradient: an entry that is a thousandth of another moves a thousandth as far.
    A constant factor of all gradients changes nothing, unless they are below the floor.

    Args:
        learning_rate: η > 0, the length of the first step.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its squared norm, in [0, 1).
        floor: Gradients of a smaller norm make smaller steps (>= 0).
    """

    def init(params: Any) -> NormalisedState:
        zeros = optax.tree.zeros_like(params)
        return NormalisedState(jnp.zeros((), jnp.int32), zeros, jnp.zeros(()))

    def update(
        updates: Any, state: Any, params: Any = None
    ) -> tuple[Any, NormalisedState]:
        del params
        count = state.steps + 1
        mean = jax.tree.map(
            lambda m, g: beta1 * m + (1 - beta1) * g, state.mean, updates
        )
        norm = optax.tree.norm(updates)
        square = beta2 * state.square + (1 - beta2) * norm**2
        size = jnp.sqrt(square / (1 - beta2**count))
        scale = jnp.maximum(size, floor) * (1 - beta1**count)
        factor = jnp.where(scale > 0, -learning_rate / scale, 0.0)
        return optax.tree.scale(factor, mean), NormalisedState(count, mean, square)

    return optax.GradientTransformation(init, update)


def of_log_ratios(
    optimizer: optax.GradientTransformation,
) -> optax.GradientTransformation:
    """An optimizer of the log ratios θ as one of λ, whose first term stays.

    The gradient goes through λ_i = λ_1 exp θ_i by the chain rule, ∂L/∂θ_i = λ_i
    ∂L/∂λ_i, and the update is λ_i (exp Δθ_i − 1). A weight of zero stays zero.
    """

    def init(params: Any) -> Any:
        return optimizer.init({name: params[name] for name in ratio_names(params)})

    def update(
        updates: Any, state: Any, params: Any = None
    ) -> tuple[dict[str, Any], Any]:
        lam = dict(params)
        gradient = {name: lam[name] * updates[name] for name in ratio_names(lam)}
        moves: Any
        moves, state = optimizer.update(gradient, state)
        return {
            name: weight * jnp.expm1(moves[name])
            if name in moves
            else jnp.zeros_like(weight)
            for name, weight in lam.items()
        }, state

    return optax.GradientTransformation(init, update)
