"""Estimators by the implicit function theorem: h = ∂_a L_v − M z with H z ≈ v."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    AnyUpdate,
    BilevelProblem,
    Estimated,
    HypergradientEstimator,
    Inner,
    Outer,
    Point,
    State,
    make_hypergradient,
    no_state,
    outer_gradient,
)
from autoreg_jax.hypergrad._second_order import (
    MixedBackend,
    exact_products,
    mixed_term,
)

Operator = Callable[[Inner], Inner]


class Solution(NamedTuple):
    """An approximate solution of H z = v.

    Attributes:
        value: z, a tree like ω.
        state: State for the next call.
        diagnostics: Named scalars and vectors.
    """

    value: Inner
    state: State
    diagnostics: dict[str, Array]


Solver = Callable[[Operator, Inner, State], Solution]


def implicit(
    solve: Solver,
    mixed: MixedBackend,
    init: Callable[[Inner, Outer], Any] = no_state,
) -> HypergradientEstimator:
    """An estimator by the implicit function theorem, evaluated at ω itself.

    `solve` is `(operator, v, state) -> Solution` with `operator(p) = H p`, in full
    precision on every platform. The estimator takes no inner step and ignores
    `inner_update`.
    """

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        del inner_update
        inner, outer, train_batch, _ = point
        value, cotangent, direct = outer_gradient(problem, point)

        def gradient(omega: Inner) -> Inner:
            return jax.grad(problem.inner_loss)(omega, outer, train_batch)

        def operator(vector: Inner) -> Inner:
            with exact_products():
                return jax.jvp(gradient, (inner,), (vector,))[1]

        solution = solve(operator, cotangent, state)
        direction = optax.tree.scale(-1.0, solution.value)
        indirect, epsilon = mixed_term(problem, mixed, point, direction, cotangent)
        hyper = make_hypergradient(
            direct,
            indirect,
            value,
            cotangent_norm=optax.tree.norm(cotangent),
            direction_norm=optax.tree.norm(direction),
            epsilon=epsilon,
            **solution.diagnostics,
        )
        return hyper, solution.state

    return HypergradientEstimator(init, estimate)
