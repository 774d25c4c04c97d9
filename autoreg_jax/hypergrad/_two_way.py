"""A loop and the loop back over what it has stored, with or without checkpoints."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Body = Callable[[Any, Any], tuple[Any, Any]]


def two_way_scan(
    forward: Body,
    backward: Body,
    start: Any,
    inputs: Any,
    length: int,
    *,
    checkpoints: bool = False,
) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """Scan forward; the returned function scans back over what that has stored.

    With checkpoints the loop is cut into about √K segments, of which only the starts
    are stored. The way back repeats one segment at a time: 2√K entries instead of K,
    and every step is taken twice.

    Args:
        forward: `(carry, input) -> (carry, stored)`.
        backward: `(carry, stored) -> (carry, output)`.
        start: Carry before the first step.
        inputs: Tree of arrays with a leading axis of K, or None.
        length: K > 0.
        checkpoints: Whether steps are repeated instead of stored.

    Returns:
        The carry behind the last step, and `carry -> (carry, outputs)`, the outputs in
        the order of the steps.
    """
    if not checkpoints:
        end, stored = jax.lax.scan(forward, start, inputs, length=length)
        return end, lambda carry: jax.lax.scan(
            backward, carry, stored, length=length, reverse=True
        )
    size = math.isqrt(length - 1) + 1
    count, rest = divmod(length, size)
    few = jax.tree.map(lambda x: x[:rest], inputs)
    many = jax.tree.map(lambda x: x[rest:].reshape(count, size, *x.shape[1:]), inputs)

    def advance(carry: Any, own: Any, steps: int) -> Any:
        def body(carry: Any, one: Any) -> tuple[Any, None]:
            return forward(carry, one)[0], None

        return jax.lax.scan(body, carry, own, length=steps)[0]

    def back(carry: Any, begin: Any, own: Any, steps: int) -> tuple[Any, Any]:
        _, stored = jax.lax.scan(forward, begin, own, length=steps)
        return jax.lax.scan(backward, carry, stored, length=steps, reverse=True)

    middle = advance(start, few, rest) if rest else start
    end, starts = jax.lax.scan(
        lambda carry, own: (advance(carry, own, size), carry),
        middle,
        many,
        length=count,
    )

    def return_way(carry: Any) -> tuple[Any, Any]:
        carry, outputs = jax.lax.scan(
            lambda carry, segment: back(carry, *segment, size),
            carry,
            (starts, many),
            length=count,
            reverse=True,
        )
        outputs = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), outputs)
        if rest:
            carry, first = back(carry, start, few, rest)
            outputs = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, outputs)
        return carry, outputs

    return end, return_way
