"""The direct part only."""

from typing import Any

import jax
import optax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from autoreg_jax.hypergrad._base import (
    AnyUpdate,
    BilevelProblem,
    Estimated,
    HypergradientEstimator,
    Point,
    State,
    make_hypergradient,
    no_state,
    outer_gradient,
)


def first_order() -> HypergradientEstimator:
    """H = ∂_a L_v at ω, as if ω did not depend on a ("first-order DARTS").

    Returns:
        A stateless estimator. `estimate` raises `ValueError` while tracing if the outer
        loss does not depend on the outer variable (the loss weights λ, for example):
        the estimate would always be zero.

    Examples:
        >>> first_order().init({}, {})
        ()
    """

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        del inner_update
        inner, outer, _, valid_batch = point
        program = jax.make_jaxpr(lambda a: problem.outer_loss(inner, a, valid_batch))
        if not _depends_on_input(program(outer)):
            raise ValueError(
                "first_order needs an outer loss that depends on the outer variable; "
                "this one does not, so the estimate would always be zero. Use "
                "one_step_unroll() or another estimator with an indirect part."
            )
        value, cotangent, direct = outer_gradient(problem, point)
        zero = optax.tree.zeros_like(direct)
        norm = optax.tree.norm(cotangent)
        return make_hypergradient(direct, zero, value, cotangent_norm=norm), state

    return HypergradientEstimator(no_state, estimate)


def _depends_on_input(program: ClosedJaxpr) -> bool:
    """Whether an output of the program can depend on any of its inputs.

    Nested calls are inspected; all operands of a loop or a condition count as used.
    """
    return any(_used_inputs(program.jaxpr))


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
