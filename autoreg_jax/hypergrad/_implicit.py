"""Estimators by the implicit function theorem: h = ∂_a L_v − M z with H z ≈ v."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

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
from autoreg_jax.hypergrad._meshes import divided_like
from autoreg_jax.hypergrad._second_order import (
    MixedBackend,
    exact_products,
    forward_over_reverse,
    mixed_term,
)
from autoreg_jax.hypergrad._trajectory import without_outer
from autoreg_jax.hypergrad._trees import scale

Operator = Callable[[Inner], Inner]


class LinearSolution(NamedTuple):
    """An approximate solution of H z = v.

    Attributes:
        value: z, a tree like ω.
        state: State for the next call.
        diagnostics: Named scalars and vectors.
    """

    value: Inner
    state: State
    diagnostics: dict[str, Any]


Solver = Callable[[Operator, Inner, State], LinearSolution]


def implicit(
    solve: Solver,
    mixed: MixedBackend = forward_over_reverse,
    init: Callable[[Inner, Outer], Any] = no_state,
) -> HypergradientEstimator:
    """An estimator by the implicit function theorem, evaluated at ω itself.

    The estimator takes no inner step and does not use `inner_update`, which may be
    None; its `estimate` raises `ValueError` if that depends on a.

    Args:
        solve: `(operator, v, state) -> LinearSolution` with `operator(p) = H p`, a tree
            like ω, in full precision on every platform.
        mixed: Backend of the mixed product.
        init: Of the state that `solve` carries from call to call.

    Returns:
        The estimator.

    Examples:
        >>> def first_term(operator, vector, state):  # H = I, as in t1t2()
        ...     return LinearSolution(vector, state, {})
        >>> implicit(first_term).init({}, {})
        ()
    """

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        if inner_update is not None:
            without_outer(inner_update)
        inner, outer, train_batch, _ = point
        value, cotangent, direct = outer_gradient(problem, point)

        def gradient(omega: Inner) -> Inner:
            return jax.grad(problem.inner_loss)(omega, outer, train_batch)

        def operator(vector: Inner) -> Inner:
            vector = divided_like(vector, inner)
            with exact_products():
                return jax.jvp(gradient, (inner,), (vector,))[1]

        solution = solve(operator, cotangent, state)
        direction = scale(-1.0, divided_like(solution.value, cotangent))
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
