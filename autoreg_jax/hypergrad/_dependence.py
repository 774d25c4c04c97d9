"""Whether a traced function makes any use of its arguments."""

from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, Literal


def depends_on_input(program: ClosedJaxpr) -> bool:
    """Whether an output of the program can depend on any of its inputs.

    Calls are looked into; of a loop or a condition all operands count as used.
    """
    return any(_used_inputs(program.jaxpr))


def _used_inputs(jaxpr: Jaxpr) -> list[bool]:
    """For each input whether it may reach an output."""
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
    """Used inputs of a call, None of anything else."""
    if equation.primitive.name in {"while", "scan", "cond"}:
        return None
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        called = equation.params.get(name)
        called = getattr(called, "jaxpr", called)
        if isinstance(called, Jaxpr) and len(called.invars) == len(equation.invars):
            return _used_inputs(called)
    return None
