"""What all estimators share at their ends: the outer gradient and the result."""

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    Batch,
    BilevelProblem,
    Hypergradient,
    Inner,
    Outer,
)


def outer_gradient(
    problem: BilevelProblem, inner: Inner, outer: Outer, batch: Batch
) -> tuple[Array, Inner, Outer]:
    """L_v, v = ∇_ω L_v and ∂_a L_v, of one gradient."""
    value, (cotangent, direct) = jax.value_and_grad(problem.outer_loss, argnums=(0, 1))(
        inner, outer, batch
    )
    return value, cotangent, direct


def assemble(
    direct: Outer, indirect: Outer, value: Array, **diagnostics: Array
) -> Hypergradient:
    """The estimate with the norms of its parts and the cosine between them."""
    norms = optax.tree.norm(direct), optax.tree.norm(indirect)
    product = norms[0] * norms[1]
    aligned = optax.tree.vdot(direct, indirect)
    cosine = jnp.where(product > 0, aligned / jnp.where(product > 0, product, 1.0), 0.0)
    common = {
        "direct_norm": norms[0],
        "indirect_norm": norms[1],
        "direct_indirect_cosine": cosine,
    }
    grad = optax.tree.add(direct, indirect)
    return Hypergradient(grad, direct, indirect, value, common | diagnostics)
