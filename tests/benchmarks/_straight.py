"""Loops as straight programs, whose floating-point operations XLA counts in full."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
from jax.extend.core import jaxpr_as_fun


@contextmanager
def straight_loops() -> Iterator[None]:
    """`lax.scan` and `lax.map` write their iterations one after the other.

    XLA counts the body of a loop once, however often it runs. What an iteration reads
    passes a barrier, so that it computes all that the body of a loop computes: without
    one XLA would find the same gradient at the same ω in each iteration, which it does
    not in a loop.
    """
    with (
        mock.patch.object(jax.lax, "scan", _scan),
        mock.patch.object(jax.lax, "map", _map),
    ):
        yield


def _scan(
    body: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    count = length if length is not None else len(jax.tree.leaves(xs)[0])
    slices = [jax.tree.map(lambda x, i=i: x[i], xs) for i in range(count)]
    program, shape = jax.make_jaxpr(body, return_shape=True)(init, slices[0])
    structure = jax.tree.structure(shape)
    carry, outputs = init, [None] * count
    for i in reversed(range(count)) if reverse else range(count):
        arguments = jax.tree.leaves((carry, slices[i]))
        reads = jax.lax.optimization_barrier((program.consts, arguments))
        closed = program.replace(consts=reads[0])
        flat = jaxpr_as_fun(closed)(*reads[1])
        carry, outputs[i] = jax.tree.unflatten(structure, flat)
    return carry, jax.tree.map(lambda *leaves: jnp.stack(leaves), *outputs)


def _map(function: Callable[[Any], Any], xs: Any) -> Any:
    return _scan(lambda carry, x: (carry, function(x)), (), xs)[1]
