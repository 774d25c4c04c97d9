"""The exact gradient through K inner steps, by tangents."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from autoreg_jax.hypergrad._assemble import assemble, outer_gradient
from autoreg_jax.hypergrad._base import (
    Batch,
    BilevelProblem,
    Hypergradient,
    HypergradientEstimator,
    Inner,
    InnerUpdate,
    Outer,
    State,
    UpdateFn,
    as_inner_update,
    no_state,
)
from autoreg_jax.hypergrad._trajectory import (
    split_floats,
    step_batches,
    tangent_step,
)


def forward_mode(steps: int, *, stacked: bool = False) -> HypergradientEstimator:
    """The value of `unroll(steps)` by tangents Z_k = dω_k/da, one for each entry of a.

    Costs about 2 dim(a) + 1 gradients a step and memory that does not depend on the
    number of steps: for a handful of loss weights, never for an architecture. Losses
    with a `custom_vjp` rule refuse forward derivatives.

    Args:
        steps: K > 0.
        stacked: Whether `train_batch` holds K batches on its leading axis.

    Returns:
        A stateless estimator; diagnostics `tangent_norm` ‖Z_K‖ and `nonfinite`, the
        number of entries of all tangents that had no value and count as zero (dead
        units under fresh Adam).

    Raises:
        ValueError: If `steps` is not positive; in `estimate` if a stacked batch has
            another length.

    References:
        Franceschi et al., "Forward and Reverse Gradient-Based Hyperparameter
        Optimization", ICML 2017.
    """
    if steps < 1:
        raise ValueError(f"steps must be positive, got {steps}.")

    def estimate(
        problem: BilevelProblem,
        state: State,
        inner: Inner,
        outer: Outer,
        train_batch: Batch,
        valid_batch: Batch,
        *,
        inner_update: InnerUpdate | UpdateFn,
    ) -> tuple[Hypergradient, State]:
        update = as_inner_update(inner_update)
        batches = step_batches(train_batch, steps, stacked)
        basis = basis_of(outer)
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
        value, cotangent, direct = outer_gradient(problem, omega, outer, valid_batch)
        indirect = contract(cotangent, tangents, outer)
        hyper = assemble(
            direct,
            indirect,
            value,
            tangent_norm=optax.tree.norm(tangents),
            nonfinite=jnp.sum(missing),
        )
        return hyper, state

    return HypergradientEstimator(no_state, estimate)


def basis_of(outer: Outer) -> Outer:
    """The unit vectors of a, stacked on a leading axis."""
    flat, unravel = ravel_pytree(outer)
    return jax.vmap(unravel)(jnp.eye(flat.size, dtype=flat.dtype))


def zero_tangents(start: tuple[Inner, State], outer: Outer) -> tuple[Inner, list[Any]]:
    """Tangents of (ω, s) before the first step: neither depends on a."""
    size = ravel_pytree(outer)[0].size
    inner, state = start
    return jax.tree.map(
        lambda x: jnp.zeros((size, *jnp.shape(x)), jnp.result_type(x)),
        (inner, split_floats(state)[0]),
    )


def contract(cotangent: Inner, tangents: Inner, outer: Outer) -> Outer:
    """Zᵀ v, a tree like a."""
    flat, unravel = ravel_pytree(outer)
    products = jax.vmap(lambda z: optax.tree.vdot(cotangent, z))(tangents)
    return unravel(jnp.asarray(products, flat.dtype))
