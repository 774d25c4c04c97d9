"""The loss weights as the published code moves them: by two optimizers at once."""

from dataclasses import replace
from typing import Any

import optax

from autoreg_jax.losses import Weights
from autoreg_jax.search._problem import PairBatch
from autoreg_jax.search._step import InnerInfo, SearchAlgorithm, SearchState


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
