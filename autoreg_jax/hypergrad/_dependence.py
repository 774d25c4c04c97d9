"""Which inputs of a traced program its outputs can depend on."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import Jaxpr, Literal


def depends_on(function: Callable[[Any], Any], argument: Any) -> bool:
    """Whether the value of a function can depend on its argument; nothing is computed.

    Nested calls are inspected; all operands of a loop or a condition count as used.
    """
    return any(_used_inputs(jax.make_jaxpr(function)(argument).jaxpr))


def _used_inputs(jaxpr: Jaxpr) -> list[bool]:
    """For each input, whether an output may depend on it."""
    needed = {v for v in jaxpr.outvars if not isinstance(v, Literal)}
    for equation in reversed(jaxpr.eqns):
        if not needed.isdisjoint(equation.outvars):
            used = _inner_inputs(equation) or [True] * len(equation.invars)
            needed |= {
                v
                for v, is_used in zip(equation.invars, used, strict=True)
                if is_used and not isinstance(v, Literal)
            }
    return [v in needed for v in jaxpr.invars]


def _inner_inputs(equation: Any) -> list[bool] | None:
    """The used inputs of a call, None for any other equation."""
    if equation.primitive.name in {"while", "scan", "cond"}:
        return None
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        called = equation.params.get(name)
        called = getattr(called, "jaxpr", called)
        if isinstance(called, Jaxpr) and len(called.invars) == len(equation.invars):
            return _used_inputs(called)
    return None
