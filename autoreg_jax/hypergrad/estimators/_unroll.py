"""The exact gradient through K inner steps, by a factored adjoint recursion."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from autoreg_jax.hypergrad._base import (
    AnyUpdate,
    Batch,
    BilevelProblem,
    Estimated,
    HypergradientEstimator,
    Inner,
    Iterate,
    Outer,
    Point,
    State,
    make_hypergradient,
    no_state,
    outer_gradient,
)
from autoreg_jax.hypergrad._checks import check_at_least
from autoreg_jax.hypergrad._second_order import MixedBackend, forward_over_reverse
from autoreg_jax.hypergrad._trajectory import (
    as_inner_update,
    descend,
    step_batches,
    through_start,
)
from autoreg_jax.hypergrad._trees import finite_or_zero, split_floats
from autoreg_jax.hypergrad._two_way import two_way_scan


def unroll(
    steps: int,
    truncate: int | None = None,
    *,
    rematerialise: bool = True,
    checkpoints: bool = False,
    stacked: bool = False,
    mixed: MixedBackend = forward_over_reverse,
) -> HypergradientEstimator:
    """Hypergradient through K steps of any Optax chain with its state.

    Forward `(ω_{k+1}, s_{k+1}) = Φ(g_k, s_k, ω_k)` with `g_k = ∇_ω L_t(ω_k, a)`;
    backward, from `p_K = ∇_ω L_v(ω_K)` and `q_K = 0`,

        (γ_k, q_k, π_k) = (∂Φ)ᵀ (p_{k+1}, q_{k+1}),   the optimizer alone
        p_k = π_k + H(ω_k) γ_k,   h ← h + M(ω_k, a) γ_k,

    with both products from one program. Only K triples (ω, g, s) are stored, about 2√K
    with `checkpoints`. A learning rate or initial weights that depend on a have the
    terms (∂_a Φ)ᵀ (p_{k+1}, q_{k+1}) and (dω_0/da)ᵀ p_0.

    Diagnostics: `adjoint_norms`, ‖γ_k‖ of each backward step, first step first;
    `cotangent_norm`; `nonfinite`, the number of non-finite entries of (γ, q, π) over
    all steps, which are set to zero (dead units in the first steps of Adam).

    Args:
        steps: K > 0.
        truncate: T in [1, K]: backpropagate through the last T steps only; default:
            all. The error is of the order (1 − ξμ)^T.
        rematerialise: Recompute ∇L_t in the backward pass, which needs the memory of
            one step; otherwise store its linearisation at every step, which saves about
            one gradient for each step.
        checkpoints: Store every √K-th iterate and repeat the steps between two of them
            in the backward pass: one more gradient for each step.
        stacked: Whether `train_batch` holds K batches on its leading axis; otherwise
            every step uses the same batch.
        mixed: Backend of both products.

    Returns:
        A stateless estimator; `end` is (ω_K, s_K).

    Raises:
        ValueError: If `steps` is not positive, `truncate` is not in [1, steps], or
            `mixed` or `checkpoints` is set without `rematerialise`; in `estimate` if a
            stacked batch does not hold K batches.

    References:
        Shaban et al., "Truncated Back-propagation for Bilevel Optimization", 2019;
        Kemaev et al., "MixFlow-MG", ICML 2025.
    """
    back = _checked(steps, truncate)
    _check_kept(rematerialise, checkpoints, mixed)

    def estimate(
        problem: BilevelProblem, state: State, point: Point, *, inner_update: AnyUpdate
    ) -> Estimated:
        inner, outer, train_batch, _ = point
        update = as_inner_update(inner_update)
        batches = step_batches(train_batch, steps, stacked)
        early, late = (
            jax.tree.map(lambda x: x[: steps - back], batches),
            jax.tree.map(lambda x: x[steps - back :], batches),
        )
        start = update.begin(inner, outer)
        if back < steps:
            first = early if stacked else train_batch
            start = descend(
                problem.inner_loss, update, start, outer, first, steps - back, stacked
            )

        def gradients(omega: Inner, batch: Batch) -> tuple[Inner, Outer]:
            return jax.grad(problem.inner_loss, argnums=(0, 1))(omega, outer, batch)

        def forward(carry: Any, own: Batch) -> tuple[Any, Any]:
            omega, optimizer = carry
            batch = own if stacked else train_batch
            if rematerialise:
                gradient, linear = gradients(omega, batch)[0], None
            else:
                both, linear = jax.linearize(lambda o: gradients(o, batch), omega)
                gradient = both[0]
            after = update.advance(omega, gradient, optimizer, outer)
            return after, (omega, gradient, optimizer, own, linear)

        def backward(carry: Any, step: Any) -> tuple[Any, Any]:
            p, q, indirect, nonfinite = carry
            omega, gradient, optimizer, own, linear = step
            floats, merge = split_floats(optimizer)

            def phi(g: Inner, moments: list[Any], o: Inner, a: Outer) -> Any:
                new, after = update.advance(o, g, merge(moments), a)
                return new, split_floats(after)[0]

            (stepped, _), pullback = jax.vjp(phi, gradient, floats, omega, outer)
            slopes, missing = finite_or_zero(pullback((p, q)), (stepped, p))
            gamma, q, through, own_slope = slopes
            if linear is None:
                batch = own if stacked else train_batch
                products = mixed(problem.inner_loss, omega, outer, batch, gamma, p)
                hessian, term = products.hessian, products.mixed
            else:
                hessian, term = linear(gamma)
            p = optax.tree.add(through, hessian)
            indirect = optax.tree.add(indirect, term, own_slope)
            return (p, q, indirect, nonfinite + missing), optax.tree.norm(gamma)

        end, back_through = two_way_scan(
            forward, backward, start, late, back, checkpoints=checkpoints
        )
        value, cotangent, direct = outer_gradient(problem, point._replace(inner=end[0]))
        still = optax.tree.zeros_like(split_floats(end[1])[0])
        zero = optax.tree.zeros_like(direct)
        carry, norms = back_through((cotangent, still, zero, jnp.zeros((), int)))
        p, _, indirect, nonfinite = carry
        if back == steps:
            indirect = through_start(update, outer, p, indirect)
        hyper = make_hypergradient(
            direct,
            indirect,
            value,
            end=Iterate(*end),
            cotangent_norm=optax.tree.norm(cotangent),
            adjoint_norms=norms,
            nonfinite=nonfinite,
        )
        return hyper, state

    return HypergradientEstimator(no_state, estimate)


def _check_kept(rematerialise: bool, checkpoints: bool, mixed: MixedBackend) -> None:
    if rematerialise:
        return
    if mixed is not forward_over_reverse:
        raise ValueError(
            "rematerialise=False stores exact linearisations and ignores mixed: leave "
            "mixed at its default or set rematerialise=True."
        )
    if checkpoints:
        raise ValueError(
            "checkpoints=True repeats what rematerialise=False would store: set one of "
            "them."
        )


def _checked(steps: int, truncate: int | None) -> int:
    """The number of backward steps."""
    check_at_least(1, steps=steps)
    back = steps if truncate is None else truncate
    if not 1 <= back <= steps:
        raise ValueError(f"truncate must be in [1, {steps}], got {truncate}.")
    return back
