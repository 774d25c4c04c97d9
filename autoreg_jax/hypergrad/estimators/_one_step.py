"""The gradient of the outer loss after one inner step, exact or by differences."""

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    AnyUpdate,
    BilevelProblem,
    Estimated,
    HypergradientEstimator,
    Inner,
    InnerUpdate,
    Iterate,
    Point,
    State,
    make_hypergradient,
    no_state,
    outer_gradient,
)
from autoreg_jax.hypergrad._checks import Number
from autoreg_jax.hypergrad._second_order import (
    MixedBackend,
    central_difference,
    forward_over_reverse,
    mixed_term,
)
from autoreg_jax.hypergrad._trajectory import as_inner_update, through_start
from autoreg_jax.hypergrad._trees import finite_or_zero


def one_step_unroll(
    *, mixed: MixedBackend = forward_over_reverse
) -> HypergradientEstimator:
    """Hypergradient through one inner update, differentiated exactly.

    With ω′ = U(ω, ∇_ω L_t(ω, a)) and u = (∂U/∂g)ᵀ ∇_ω′ L_v(ω′, a) the estimate is

        ∇_a L_v(ω′, a) + ∂²_{aω} L_t(ω, a) · u,

    the derivative of a ↦ L_v(ω′(a), a) for any differentiable update U; an update or
    initial weights that depend on a have their terms. The mixed product costs 1 to 1.5
    times the two gradients of the finite difference, and needs no ε.

    Diagnostics: `cotangent_norm` ‖v‖ with v = ∇_ω′ L_v; `direction_norm` ‖u‖;
    `epsilon`; `sensitivity` (‖u‖/‖v‖) / (‖ω′ − ω‖/‖g‖), 1 for gradient descent;
    `is_insensitive`, if the update is almost constant in its gradient (first step of
    Adam, sign updates) and the indirect part therefore meaningless; `nonfinite`, the
    number of non-finite entries of u, which are set to zero (dead units in the first
    steps of Adam).

    Args:
        mixed: Backend of the mixed product.

    Returns:
        A stateless estimator; `end` is ω′ with the new state of its optimizer.

    Examples:
        >>> one_step_unroll().init({}, {})
        ()

    References:
        Liu et al., "DARTS", ICLR 2019, Eq. (7). AutoReg, Algorithm 1.
    """

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        update = as_inner_update(inner_update)
        inner, moments = update.begin(point.inner, point.outer)
        point = point._replace(inner=inner)
        at = inner, point.outer, point.train_batch
        gradient = jax.grad(problem.inner_loss)(*at)
        stepped, pullback, after = jax.vjp(
            lambda g: update.advance(inner, g, moments, point.outer),
            gradient,
            has_aux=True,
        )
        value, cotangent, direct = outer_gradient(
            problem, point._replace(inner=stepped)
        )
        (direction,), missing = finite_or_zero(
            pullback(cotangent), (stepped, cotangent)
        )
        norm = optax.tree.norm
        moved = norm(optax.tree.sub(stepped, inner)) * norm(cotangent)
        ratio = norm(direction) * norm(gradient) / jnp.where(moved > 0, moved, 1.0)
        indirect, epsilon = mixed_term(problem, mixed, point, direction, cotangent)
        if update.takes_outer:
            _, pullback, _ = jax.vjp(
                lambda a: update.advance(inner, gradient, moments, a),
                point.outer,
                has_aux=True,
            )
            slope, more = finite_or_zero(pullback(cotangent), (stepped, cotangent))
            indirect, missing = optax.tree.add(indirect, *slope), missing + more
        if update.start is not None:
            adjoint, more = _adjoint_of_start(
                problem, mixed, point, update, gradient, direction, cotangent
            )
            indirect = through_start(update, point.outer, adjoint, indirect)
            missing = missing + more
        hyper = make_hypergradient(
            direct,
            indirect,
            value,
            end=Iterate(stepped, after),
            cotangent_norm=norm(cotangent),
            direction_norm=norm(direction),
            epsilon=epsilon,
            sensitivity=ratio,
            is_insensitive=ratio < 1e-3,
            nonfinite=missing,
        )
        return hyper, state

    return HypergradientEstimator(no_state, estimate)


def _adjoint_of_start(
    problem: BilevelProblem,
    mixed: MixedBackend,
    point: Point,
    update: InnerUpdate,
    gradient: Inner,
    direction: Inner,
    cotangent: Inner,
) -> tuple[Inner, Array]:
    """(∂ω′/∂ω_0)ᵀ v = (∂_ω U)ᵀ v + H u, and the number of its non-finite slopes."""
    stepped, pullback, _ = jax.vjp(
        lambda o: update.advance(o, gradient, update.state, point.outer),
        point.inner,
        has_aux=True,
    )
    (through,), missing = finite_or_zero(pullback(cotangent), (stepped, cotangent))
    at = point.inner, point.outer, point.train_batch
    products = mixed(problem.inner_loss, *at, direction, cotangent)
    return optax.tree.add(through, products.hessian), missing


def finite_difference(
    radius: Number = 1e-2, *, normalise: bool = True
) -> HypergradientEstimator:
    """One-step hypergradient whose second-order term is a central difference.

    With ω′ = U(ω, ∇_ω L_t(ω, a)) and u = (∂U/∂g)ᵀ ∇_ω′ L_v(ω′, a) (u = −ξ ∇_ω′ L_v for
    gradient descent) the estimate is

        ∇_a L_v(ω′, a) + ‖u‖ [∇_a L_t(ω + r û, a) − ∇_a L_t(ω − r û, a)] / 2r

    with û = u/‖u‖, lines 3-5 of Algorithm 1. Warping has a kink at every whole-voxel
    displacement and LeakyReLU one at zero: near an identity field the difference
    measures these kinks.

    Args:
        radius: r > 0, the length of the probe in ω if `normalise` (1e-2 in the
            published code), otherwise the paper's ε, for a probe of length
            ε ‖∇_ω′ L_v‖ ("equal to the learning rate": 1e-4). Dimensionless.
        normalise: Whether `radius` is the length of the probe.

    Returns:
        A stateless estimator; `estimate` raises `ValueError` for ω in half precision.

    Raises:
        ValueError: If `radius` is not positive.

    Examples:
        >>> finite_difference(radius=1e-2).init({}, {})
        ()

    References:
        Liu et al., "DARTS", ICLR 2019, Eq. (8). AutoReg, Algorithm 1.
    """
    return one_step_unroll(mixed=central_difference(radius, normalise=normalise))
