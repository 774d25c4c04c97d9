"""The exact gradient through K inner steps, in forward mode."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    Batch,
    BilevelProblem,
    Hypergradient,
    HypergradientEstimator,
    InnerUpdate,
    Point,
    State,
    UpdateFn,
    make_hypergradient,
    no_state,
    outer_gradient,
)
from autoreg_jax.hypergrad._inner_update import as_inner_update
from autoreg_jax.hypergrad._trajectory import (
    contract,
    step_batches,
    tangent_step,
    unit_vectors,
    zero_tangents,
)


def forward_mode(steps: int, *, stacked: bool = False) -> HypergradientEstimator:
    """The same value as `unroll(steps)`, by tangents Z_k = dω_k/da.

    One tangent for each entry of a: a step costs about 2 dim(a) + 1 gradients, and the
    memory does not depend on the number of steps. For a few loss weights, not for an
    architecture. Not for losses with a `custom_vjp` rule, which has no forward
    derivative.

    Args:
        steps: K > 0.
        stacked: Whether `train_batch` holds K batches on its leading axis.

    Returns:
        A stateless estimator; diagnostics `tangent_norm` ‖Z_K‖ and `nonfinite`, the
        number of non-finite entries of all tangents, which are set to zero (dead units
        in the first steps of Adam).

    Raises:
        ValueError: If `steps` is not positive; in `estimate` if a stacked batch does
            not hold K batches.

    References:
        Franceschi et al., "Forward and Reverse Gradient-Based Hyperparameter
        Optimization", ICML 2017.
    """
    if steps < 1:
        raise ValueError(f"steps must be positive, got {steps}.")

    def estimate(
        problem: BilevelProblem,
        state: State,
        point: Point,
        *,
        inner_update: InnerUpdate | UpdateFn,
    ) -> tuple[Hypergradient, State]:
        inner, outer, train_batch, _ = point
        update = as_inner_update(inner_update)
        batches = step_batches(train_batch, steps, stacked)
        basis = unit_vectors(outer)
        start = inner, update.state

        def body(carry: Any, own: Batch) -> tuple[Any, Array]:
            batch = own if stacked else train_batch
            at, along = carry
            *moved, missing = tangent_step(
                problem, update, at, along, outer, basis, batch
            )
            return tuple(moved), missing

        carry = start, zero_tangents(start, outer)
        ((omega, _), (tangents, _)), missing = jax.lax.scan(
            body, carry, batches, length=steps
        )
        value, cotangent, direct = outer_gradient(problem, point._replace(inner=omega))
        indirect = contract(cotangent, tangents, outer)
        hyper = make_hypergradient(
            direct,
            indirect,
            value,
            tangent_norm=optax.tree.norm(tangents),
            nonfinite=jnp.sum(missing),
        )
        return hyper, state

    return HypergradientEstimator(no_state, estimate)
