"""One iteration of Algorithm 1: a step of the outer variable, then one of ω."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array

from autoreg_jax.hypergrad import Hypergradient, HypergradientEstimator
from autoreg_jax.losses import LossTerms
from autoreg_jax.search._problem import PairBatch, SearchProblem


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


class SearchInfo(NamedTuple):
    """What a person wants to look at; the hypergradient is 0 while ω warms up.

    Attributes:
        train_loss: L_reg on the training batch before the step of ω.
        terms: Its named terms, unweighted.
        valid_loss: The outer loss at the look-ahead weights.
        hypergradient_norm: ‖h‖ over the owned part of the outer variable.
        direct_norm: Norm of the direct part.
        indirect_norm: Norm of the part that comes through ω.
        cosine: Cosine between direct and indirect part; 0 if one of them vanishes.
        is_finite: Whether losses, hypergradient and the new ω are all finite.
    """

    train_loss: Array
    terms: LossTerms
    valid_loss: Array
    hypergradient_norm: Array
    direct_norm: Array
    indirect_norm: Array
    cosine: Array
    is_finite: Array


class SearchAlgorithm(NamedTuple):
    """A pair of pure functions.

    Attributes:
        init: `(omega, outer) -> state`.
        step: `(state, train_batch, valid_batch, owned, is_active) -> (state, info)`.
    """

    init: Callable[..., SearchState]
    step: Callable[..., tuple[SearchState, SearchInfo]]


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
    compiled program. While `is_active` is false only ω moves: the warm-up, without
    which a field near the identity sits on the kinks of linear interpolation and no
    derivative of it means anything.

    Args:
        problem: `architecture_problem` or `objective_problem`.
        estimator: Hypergradient estimator.
        look_ahead: The virtual update `(omega, gradient) -> omega` of lines 3, 10, 17.
        omega_optimizer: Optax optimizer of ω.
        outer_optimizer: Optax optimizer of the outer variable.

    Returns:
        The algorithm. Its step is a pure function, meant to be jitted by the caller.
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

    def move_outer(state: SearchState, train: PairBatch, valid: PairBatch, owned: Any):
        hyper, carried = estimator.estimate(  # lines 3-4, 10-11, 17-18
            problem.bilevel,
            state.estimator,
            state.omega,
            state.outer,
            train,
            valid,
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
        return outer, optimizer, carried, hyper  # lines 5, 12, 19

    def keep_outer(state: SearchState, train: PairBatch, valid: PairBatch, owned: Any):
        del train, valid, owned
        zeros = optax.tree.zeros_like(state.outer)
        value = jnp.zeros((), jax.tree.leaves(state.omega)[0].dtype)
        hyper = Hypergradient(zeros, zeros, zeros, value)
        return state.outer, state.outer_optimizer, state.estimator, hyper

    def step(
        state: SearchState,
        train_batch: PairBatch,
        valid_batch: PairBatch,
        owned: Any,
        is_active: Array,
    ) -> tuple[SearchState, SearchInfo]:
        outer, outer_opt, carried, hyper = jax.lax.cond(
            is_active, move_outer, keep_outer, state, train_batch, valid_batch, owned
        )
        (loss, terms), gradient = jax.value_and_grad(problem.inner_terms, has_aux=True)(
            state.omega, outer, train_batch
        )
        updates, omega_opt = omega_optimizer.update(
            gradient, state.omega_optimizer, state.omega
        )
        omega = optax.apply_updates(state.omega, updates)  # lines 6, 13, 20
        new = SearchState(state.step + 1, omega, outer, omega_opt, outer_opt, carried)
        return new, _info(loss, terms, hyper, omega)

    return SearchAlgorithm(init, step)


def _info(
    loss: Array, terms: LossTerms, hyper: Hypergradient, omega: Any
) -> SearchInfo:
    """Norms and the finite flag of one iteration."""
    direct, indirect = (optax.tree.norm(t) for t in (hyper.direct, hyper.indirect))
    product = direct * indirect
    aligned = optax.tree.vdot(hyper.direct, hyper.indirect)
    norm = optax.tree.norm(hyper.grad)
    total = loss + hyper.value + norm + optax.tree.norm(omega)
    return SearchInfo(
        train_loss=loss,
        terms=terms,
        valid_loss=hyper.value,
        hypergradient_norm=norm,
        direct_norm=direct,
        indirect_norm=indirect,
        cosine=jnp.where(product > 0, aligned / jnp.where(product > 0, product, 1), 0),
        is_finite=jnp.isfinite(total),
    )
