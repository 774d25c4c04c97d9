"""One iteration of Algorithm 1: a step of the outer variable, then one of ω."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array

from autoreg_jax.bilevel._problem import PairBatch, SearchProblem
from autoreg_jax.hypergrad import (
    Hypergradient,
    HypergradientEstimator,
    Point,
    cosine,
)
from autoreg_jax.losses import Terms, Weights


@struct.dataclass
class SearchState:
    """What the next iteration needs.

    Attributes:
        step: Iterations done, int32 scalar.
        omega: Network weights ω.
        outer: α or λ.
        omega_optimizer: Optax state of ω.
        outer_optimizer: Optax state of the outer variable.
        estimator: What the hypergradient estimator carries.
    """

    step: Any
    omega: Any
    outer: Any
    omega_optimizer: Any
    outer_optimizer: Any
    estimator: Any


class InnerInfo(NamedTuple):
    """What a step of ω says.

    Attributes:
        train_loss: L_reg on the training batch before the step.
        terms: Its named terms, unweighted.
        is_finite: Whether the loss and the new ω are finite.
    """

    train_loss: Array
    terms: Terms
    is_finite: Array


class OuterInfo(NamedTuple):
    """What a step of the outer variable says.

    Attributes:
        valid_loss: The outer loss at the look-ahead weights.
        hypergradient_norm: ‖h‖ over the owned part of the outer variable.
        direct_norm: Norm of the direct part.
        indirect_norm: Norm of the part that comes through ω.
        cosine: Cosine between direct and indirect part; 0 if one of them vanishes.
        is_finite: Whether outer loss and hypergradient are finite.
    """

    valid_loss: Any
    hypergradient_norm: Any
    direct_norm: Any
    indirect_norm: Any
    cosine: Any
    is_finite: Any


class SearchAlgorithm(NamedTuple):
    """Pure functions, to be jitted, or called as they are on compiled derivatives.

    One iteration is `outer_step`, where the outer variable is to move, and then
    `inner_step`. They are two functions rather than one with a condition: on a CPU XLA
    ran the same work more slowly inside a condition (3.2 s against 2.1 s an iteration
    on two cores).

    Attributes:
        init: `(omega, outer) -> state`.
        outer_step: `(state, train_batch, valid_batch, owned) -> (state, OuterInfo)`.
        inner_step: `(state, train_batch) -> (state, InnerInfo)`.
    """

    init: Callable[..., SearchState]
    outer_step: Callable[..., tuple[SearchState, OuterInfo]]
    inner_step: Callable[..., tuple[SearchState, InnerInfo]]


def make_search(
    problem: SearchProblem,
    estimator: HypergradientEstimator,
    look_ahead: Callable[[Any, Any], Any],
    omega_optimizer: optax.GradientTransformation,
    outer_optimizer: optax.GradientTransformation,
) -> SearchAlgorithm:
    """Alternate one step of the outer variable with one of ω, Algorithm 1.

    `owned` is a tree like the outer variable of ones (the stage moves this entry) and
    zeros (the stage leaves it alone, bit for bit), so the stages α_F and α_D are one
    compiled program. A search begins with a warm-up in which only ω moves: a field near
    the identity sits on the kinks of linear interpolation, where no derivative of it
    means anything.

    Args:
        problem: `architecture_problem` or `objective_problem`.
        estimator: Hypergradient estimator.
        look_ahead: The virtual update `(omega, gradient) -> omega` of lines 3, 10, 17.
        omega_optimizer: Optax optimizer of ω.
        outer_optimizer: Optax optimizer of the outer variable.

    Returns:
        The algorithm.
    """

    def init(omega: Any, outer: Any) -> SearchState:
        return SearchState(
            step=jnp.zeros((), jnp.int32),
            omega=omega,
            outer=outer,
            omega_optimizer=omega_optimizer.init(omega),
            outer_optimizer=outer_optimizer.init(outer),
            estimator=estimator.init(omega, outer),
        )

    def outer_step(
        state: SearchState,
        train_batch: PairBatch,
        valid_batch: PairBatch,
        owned: Any,
    ) -> tuple[SearchState, OuterInfo]:
        hyper, carried = estimator.estimate(  # lines 3-4, 10-11, 17-18
            problem.bilevel,
            state.estimator,
            Point(state.omega, state.outer, train_batch, valid_batch),
            inner_update=look_ahead,
        )
        hyper = hyper._replace(
            **{
                part: optax.tree.mul(getattr(hyper, part), owned)
                for part in ("grad", "direct", "indirect")
            }
        )
        updates, optimizer = outer_optimizer.update(
            hyper.grad, state.outer_optimizer, state.outer
        )
        outer = optax.apply_updates(state.outer, optax.tree.mul(updates, owned))
        new = replace(
            state,  # lines 5, 12, 19
            outer=outer,
            outer_optimizer=optimizer,
            estimator=carried,
        )
        return new, _outer_info(hyper)

    def inner_step(
        state: SearchState, train_batch: PairBatch
    ) -> tuple[SearchState, InnerInfo]:
        (loss, terms), gradient = jax.value_and_grad(problem.inner_terms, has_aux=True)(
            state.omega, state.outer, train_batch
        )
        updates, optimizer = omega_optimizer.update(
            gradient, state.omega_optimizer, state.omega
        )
        omega = optax.apply_updates(state.omega, updates)  # lines 6, 13, 20
        new = replace(
            state, step=state.step + 1, omega=omega, omega_optimizer=optimizer
        )
        is_finite = jnp.isfinite(loss + optax.tree.norm(omega))
        return new, InnerInfo(loss, terms, is_finite)

    return SearchAlgorithm(init, outer_step, inner_step)


def _outer_info(hyper: Hypergradient) -> OuterInfo:
    """Norms and the finite flag of one estimate."""
    direct, indirect = (optax.tree.norm(t) for t in (hyper.direct, hyper.indirect))
    norm = optax.tree.norm(hyper.grad)
    return OuterInfo(
        valid_loss=hyper.value,
        hypergradient_norm=norm,
        direct_norm=direct,
        indirect_norm=indirect,
        cosine=cosine(hyper.direct, hyper.indirect),
        is_finite=jnp.isfinite(hyper.value + norm),
    )


def with_leaking_lambda(
    algorithm: SearchAlgorithm, optimizer: optax.GradientTransformation
) -> SearchAlgorithm:
    """Let every step of ω move λ as well, down the training loss.

    In the published code λ is among the parameters that the optimizer of ω is given
    (train_search_loss.py, `Adam(model.parameters())`). The gradient of Eq. (4) with
    respect to a weight is its own term, so the weight of a term that is negative, the
    similarity by NCC, grows, and that of the smoothness falls, with no end to it, and
    in the warm-up too. It is here to be studied.

    Args:
        algorithm: The search of λ.
        optimizer: What moves λ in a step of ω; its state joins that of ω.

    Returns:
        The algorithm with that leak.
    """

    def init(omega: Any, lam: Weights) -> SearchState:
        state = algorithm.init(omega, lam)
        both = (state.omega_optimizer, optimizer.init(lam))
        return replace(state, omega_optimizer=both)

    def inner_step(
        state: SearchState, train_batch: PairBatch
    ) -> tuple[SearchState, InnerInfo]:
        of_omega, of_lam = state.omega_optimizer
        new, info = algorithm.inner_step(
            replace(state, omega_optimizer=of_omega), train_batch
        )
        gradient = dict(info.terms)
        updates, of_lam = optimizer.update(gradient, of_lam, state.outer)
        moved = replace(
            new,
            outer=optax.apply_updates(state.outer, updates),
            omega_optimizer=(new.omega_optimizer, of_lam),
        )
        return moved, info

    return SearchAlgorithm(init, algorithm.outer_step, inner_step)
