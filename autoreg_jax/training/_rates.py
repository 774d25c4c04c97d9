"""Learning rates that are lowered in the state of an optimizer."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array


class Scaled(NamedTuple):
    """State of an optimizer whose updates are multiplied by a number.

    Attributes:
        scale: The number, float32, 1 at first.
        state: Of the optimizer.
    """

    scale: Array
    state: Any


def scalable(
    optimizer: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
    """The same updates until `lowered` is called: the rate is a part of the state.

    So a program that is compiled knows every rate.

    Args:
        optimizer: Any.

    Examples:
        >>> import optax
        >>> optimizer = scalable(optax.sgd(1.0))
        >>> state = lowered(optimizer.init(jnp.zeros(1)), 0.5)
        >>> optimizer.update(jnp.array([2.0]), state)[0].tolist()
        [-1.0]
    """
    inner = optax.with_extra_args_support(optimizer)

    def init(params: Any) -> Scaled:
        return Scaled(jnp.ones((), jnp.float32), inner.init(params))

    def update(
        updates: Any, state: Any, params: Any = None, **more: Any
    ) -> tuple[Any, Scaled]:
        updates, after = inner.update(updates, state.state, params, **more)
        scaled = jax.tree.map(lambda u: u * state.scale.astype(u.dtype), updates)
        return scaled, Scaled(state.scale, after)

    return optax.GradientTransformationExtraArgs(init, update)


def lowered(state: Any, factor: float) -> Any:
    """A state whose next updates are `factor` times as long.

    Args:
        state: A pytree with states of `scalable` anywhere in it.
        factor: Of all of them, in (0, 1).
    """

    def of(node: Any) -> Any:
        if not isinstance(node, Scaled):
            return node
        return node._replace(scale=node.scale * jnp.asarray(factor, node.scale.dtype))

    return jax.tree.map(of, state, is_leaf=lambda node: isinstance(node, Scaled))
