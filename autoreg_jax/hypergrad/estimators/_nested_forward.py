"""Experimental: the gradient in λ through α*(λ) and ω*(α, λ), in forward mode."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from autoreg_jax.hypergrad._base import (
    AnyUpdate,
    Batch,
    BilevelProblem,
    Hypergradient,
    HypergradientEstimator,
    Inner,
    Iterate,
    Loss,
    Outer,
    Point,
    make_hypergradient,
    outer_gradient,
)
from autoreg_jax.hypergrad._checks import check_at_least
from autoreg_jax.hypergrad._given import check_floats
from autoreg_jax.hypergrad._trajectory import contract, descend, without_start
from autoreg_jax.hypergrad._trees import unit_vectors


class ThreeLevelProblem(NamedTuple):
    """`min_λ L_s(ω*(α*(λ), λ), α*(λ), λ)`, the whole problem of the paper (Eq. 2).

    Subject to `α*(λ) = argmin_α L_v(ω*(α, λ), α, λ)` and
    `ω*(α, λ) = argmin_ω L_t(ω, α, λ)`.

    Attributes:
        inner_loss: L_t, `(omega, (alpha, lam), batch) -> scalar`.
        middle_loss: L_v, `(omega, (alpha, lam), batch) -> scalar`.
        outer_loss: L_s, `(omega, (alpha, lam), batch) -> scalar`.
    """

    inner_loss: Loss
    middle_loss: Loss
    outer_loss: Loss

    def at(self, lam: Outer) -> BilevelProblem:
        """The bilevel problem of α for this λ."""
        return BilevelProblem(
            lambda omega, alpha, batch: self.inner_loss(omega, (alpha, lam), batch),
            lambda omega, alpha, batch: self.middle_loss(omega, (alpha, lam), batch),
        )


def nested_forward(
    problem: ThreeLevelProblem,
    point: tuple[Inner, Outer, Outer],
    batches: tuple[Batch, Batch, Batch],
    *,
    estimator: HypergradientEstimator,
    inner_update: AnyUpdate,
    middle_update: AnyUpdate,
    steps: int,
    inner_steps: int = 1,
) -> Hypergradient:
    """Gradient of L_s in λ through K rounds of α and ω. Experimental.

    A round is one step of α along the hypergradient h of its bilevel problem and then n
    steps of ω,

        α ← Φ_α(α, h(ω, α, λ)),   ω ← Φ_ω(ω, ∇_ω L_t(ω, α, λ))   n times,

    and one tangent for each entry of λ is pushed through all of them, including h. The
    third stage of Algorithm 1 keeps α fixed instead, which drops the path
    λ → α* → L_s; `middle_update=lambda alpha, gradient: alpha` does the same and equals
    `forward_mode(steps * inner_steps)`. With enough rounds and an estimator that is
    exact at ω*, the limit is

        ∂_λ L_s + (dα*/dλ)ᵀ ∂_α L_s + (∂_λ ω* + ∂_α ω* dα*/dλ)ᵀ ∂_ω L_s;

    A biased estimator leads to a different α*. Third derivatives of L_t are needed, in
    forward mode: not for losses with a `custom_vjp` rule. The memory does not depend on
    the number of rounds; a round costs less than 1 + 2 dim(λ) times one without
    tangents (2.6 times for two weights of a small registration).

    Args:
        problem: The three losses.
        point: Initial ω, α and λ.
        batches: Data of L_t, L_v and L_s.
        estimator: Estimator of the hypergradient of α; it starts from its initial state
            and is given `inner_update` in its current state.
        inner_update: The step of ω.
        middle_update: The step of α.
        steps: K > 0 rounds.
        inner_steps: n > 0 steps of ω in each round.

    Returns:
        The estimate, a tree like λ; `indirect` is the part through ω and α.
        Diagnostics: `through_omega` and `through_alpha`, its two terms
        (dω/dλ)ᵀ ∂_ω L_s and (dα/dλ)ᵀ ∂_α L_s as vectors of dim(λ), and the norms
        `omega_tangent_norm` and `alpha_tangent_norm` of the tangents. `end` has the
        pairs (ω, α) and (optimizer state of ω, of α) after K rounds.

    Raises:
        ValueError: If `steps` or `inner_steps` is not positive, an update has a
            `start`, or a leaf of ω, α or λ is not floating-point.

    Examples:
        >>> from autoreg_jax.hypergrad import gradient_descent, t1t2
        >>> hyper = nested_forward(  # ω* = α*, α* = λ, L_s = ω²/2
        ...     ThreeLevelProblem(
        ...         lambda omega, outer, batch: 0.5 * (omega - outer[0]) ** 2,
        ...         lambda omega, outer, batch: 0.5 * (omega - outer[1]) ** 2,
        ...         lambda omega, outer, batch: 0.5 * omega**2,
        ...     ),
        ...     (0.0, 0.0, 3.0),
        ...     (None, None, None),
        ...     estimator=t1t2(),
        ...     inner_update=gradient_descent(1.0),
        ...     middle_update=gradient_descent(1.0),
        ...     steps=2,
        ... )
        >>> float(hyper.grad)
        3.0
    """
    check_at_least(1, steps=steps, inner_steps=inner_steps)
    inner, middle = (
        without_start(update, "nested_forward")
        for update in (inner_update, middle_update)
    )
    omega, alpha, lam = point
    check_floats(omega=omega, alpha=alpha, lam=lam)
    train_batch, valid_batch, outer_batch = batches
    start = (omega, inner.state), (alpha, middle.state), estimator.init(omega, alpha)

    def rounds(lam: Outer) -> tuple[tuple[Inner, Outer], Any]:
        bilevel = problem.at(lam)

        def body(carry: Any, _: None) -> tuple[Any, None]:
            (omega, optimizer), (alpha, middle_state), carried = carry
            hyper, carried = estimator.estimate(
                bilevel,
                carried,
                Point(omega, alpha, train_batch, valid_batch),
                inner_update=inner._replace(state=optimizer),
            )
            above = with_finite_tangents(
                middle.advance(alpha, hyper.grad, middle_state, lam)
            )
            step = inner._replace(
                step=lambda *args: with_finite_tangents(inner.step(*args))
            )
            below = descend(
                bilevel.inner_loss,
                step,
                (omega, optimizer),
                above[0],
                train_batch,
                inner_steps,
            )
            return (below, above, carried), None

        (below, above, _), _ = jax.lax.scan(body, start, None, length=steps)
        return (below[0], above[0]), (below[1], above[1])

    # Only the tangents have an axis for the entries of λ: the rounds are computed once.
    push = jax.vmap(
        lambda along: jax.jvp(rounds, (lam,), (along,), has_aux=True),
        out_axes=(None, 0, None),
    )
    (omega, alpha), (omega_tangents, alpha_tangents), states = push(unit_vectors(lam))
    top = BilevelProblem(problem.inner_loss, problem.outer_loss)
    value, cotangent, (slope, direct) = outer_gradient(
        top, Point(omega, (alpha, lam), None, outer_batch)
    )
    through_omega = contract(cotangent, omega_tangents, lam)
    through_alpha = contract(slope, alpha_tangents, lam)
    return make_hypergradient(
        direct,
        optax.tree.add(through_omega, through_alpha),
        value,
        end=Iterate((omega, alpha), states),
        through_omega=_flat(through_omega),
        through_alpha=_flat(through_alpha),
        omega_tangent_norm=optax.tree.norm(omega_tangents),
        alpha_tangent_norm=optax.tree.norm(alpha_tangents),
    )


@jax.custom_jvp
def with_finite_tangents(tree: Any) -> Any:
    """The identity, with non-finite tangents set to zero."""
    return tree


@with_finite_tangents.defjvp
def _with_finite_tangents_jvp(
    primals: tuple[Any], tangents: tuple[Any]
) -> tuple[Any, Any]:
    # A diverged model still shows: its cotangent is NaN, and so is the product.
    finite = jax.tree.map(
        lambda x: jnp.where(jnp.isfinite(x), x, jnp.zeros_like(x)), tangents[0]
    )
    return primals[0], finite


def _flat(tree: Outer) -> Array:
    return ravel_pytree(tree)[0]
