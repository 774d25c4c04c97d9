"""Central finite difference of the mixed second-order term (Algorithm 1, DARTS)."""

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    Batch,
    BilevelProblem,
    Hypergradient,
    HypergradientEstimator,
    Inner,
    InnerUpdate,
    Outer,
    State,
    no_state,
)
from autoreg_jax.hypergrad._one_step import LookAhead, look_ahead


def finite_difference(
    radius: float = 1e-2, *, normalise: bool = True
) -> HypergradientEstimator:
    """One-step hypergradient whose second-order term is a central difference.

    With ω′ = U(ω, ∇_ω L_t(ω, a)) and u = (∂U/∂g)ᵀ ∇_ω′ L_v(ω′, a) (u = −ξ ∇_ω′ L_v for
    plain SGD) the estimate is

        ∇_a L_v(ω′, a) + ‖u‖ [∇_a L_t(ω + r û, a) − ∇_a L_t(ω − r û, a)] / 2r,  û =
        u/‖u‖,

    lines 3-5 of Algorithm 1. Warping has a kink at every whole-voxel displacement and
    LeakyReLU one at zero: near an identity field the difference measures those jumps.

    Args:
        radius: r > 0, the length of the probe in ω if `normalise` (the published code:
            1e-2), else the paper's ε: the probe has the length ε ‖∇_ω′ L_v‖ ("equal to
            the learning rate": 1e-4). Dimensionless.
        normalise: Whether `radius` is the length of the probe.

    Returns:
        A stateless estimator.

    Raises:
        ValueError: If `radius` is not positive.

    Examples:
        >>> finite_difference(radius=1e-2).init({}, {})
        ()

    References:
        Liu et al., "DARTS", ICLR 2019, Eq. (8). AutoReg, Algorithm 1.
    """
    if radius <= 0:
        raise ValueError(f"radius must be positive, got {radius}.")

    def estimate(
        problem: BilevelProblem,
        state: State,
        inner: Inner,
        outer: Outer,
        train_batch: Batch,
        valid_batch: Batch,
        *,
        inner_update: InnerUpdate,
    ) -> tuple[Hypergradient, State]:
        batches = train_batch, valid_batch
        ahead = look_ahead(problem, inner, outer, batches, inner_update)
        epsilon = _epsilon(ahead, radius, normalise)

        def outer_gradient(step: Array) -> Outer:
            probed = optax.tree.add_scale(inner, step, ahead.direction)
            return jax.grad(problem.inner_loss, argnums=1)(probed, outer, train_batch)

        upper, lower = outer_gradient(epsilon), outer_gradient(-epsilon)
        indirect = jax.tree.map(lambda p, m: (p - m) * (0.5 / epsilon), upper, lower)
        grad = optax.tree.add(ahead.direct, indirect)
        return Hypergradient(grad, ahead.direct, indirect, ahead.value), state

    return HypergradientEstimator(no_state, estimate)


def _epsilon(ahead: LookAhead, radius: float, normalise: bool) -> Array:
    """Factor of u that gives the probe its length; finite where u vanishes."""
    norm = optax.tree.norm(ahead.direction)
    length = radius if normalise else radius * optax.tree.norm(ahead.cotangent)
    is_safe = norm > jnp.sqrt(jnp.finfo(norm.dtype).tiny)
    return jnp.where(is_safe, length / jnp.where(is_safe, norm, 1.0), 1.0)
