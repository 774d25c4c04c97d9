"""The compiled steps, each built once for all runs of a process with equal settings."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp

from autoreg_jax.config import EvaluateConfig, RunConfig, SearchConfig, TrainConfig
from autoreg_jax.inference import warp_labels
from autoreg_jax.metrics import dice
from autoreg_jax.runtime import quick_compilation
from autoreg_jax.search import OuterInfo
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows._build import (
    gather,
    make_network,
    make_search_algorithm,
    make_training_algorithm,
)


def search_step(
    config: RunConfig, genotype: Genotype | None, num_structures: int = 0
) -> Callable[..., Any]:
    """One iteration of Algorithm 1 from two compiled programs.

    Args:
        config: The run; numbers that do not change the program do not count.
        genotype: None for the stages of α, else the network of the stage of λ.
        num_structures: Foreground classes of the validation labels.

    Returns:
        `(state, train, valid, train_pair, valid_pair, owned, is_active) -> (state,
        inner info, outer info)`; the cohorts are arguments, so that they are no
        constants of a program.
    """
    default = SearchConfig()
    search = replace(
        config.search,
        feature=default.feature,
        deformation=default.deformation,
        lam=default.lam,
    )
    same = replace(
        config, seed=0, search=search, train=TrainConfig(), evaluate=EvaluateConfig()
    )
    return _search_step(same, genotype, num_structures)


def train_step(config: RunConfig, genotype: Genotype) -> Callable[..., Any]:
    """One compiled step of training, `(state, cohort, pair, lam) -> (state, info)`."""
    same = replace(config, seed=0, search=SearchConfig(), evaluate=EvaluateConfig())
    return _train_step(same, genotype)


def dice_of_pair(
    config: RunConfig, genotype: Genotype, num_structures: int
) -> Callable[..., Any]:
    """Mean Dice of the network on one pair, `(params, cohort, pair) -> scalar`."""
    same = replace(RunConfig(), network=config.network)
    return _dice_of_pair(same, genotype, num_structures)


@lru_cache(maxsize=4)
def _search_step(
    config: RunConfig, genotype: Genotype | None, num_structures: int
) -> Callable[..., Any]:
    stage = "feature" if genotype is None else "lam"
    algorithm = make_search_algorithm(config, genotype, stage)

    @partial(jax.jit, compiler_options=quick_compilation())
    def move_inner(state, train, pair):
        return algorithm.inner_step(state, gather(train, pair))

    @partial(jax.jit, compiler_options=quick_compilation())
    def move_outer(state, train, valid, train_pair, valid_pair, owned, gradient):
        train_batch = gather(train, train_pair)
        valid_batch = gather(valid, valid_pair, num_structures)
        return algorithm.outer_step(state, train_batch, valid_batch, owned, gradient)

    def step(state, train, valid, train_pair, valid_pair, owned, is_active):
        outer = OuterInfo.at_rest()
        if is_active:
            # Of this call only the gradient counts.
            gradient = move_inner(state, train, train_pair)[1].gradient
            state, outer = move_outer(
                state, train, valid, train_pair, valid_pair, owned, gradient
            )
        state, inner = move_inner(state, train, train_pair)
        return state, (inner._replace(gradient=None), outer)

    return step


@lru_cache(maxsize=4)
def _train_step(config: RunConfig, genotype: Genotype) -> Callable[..., Any]:
    algorithm = make_training_algorithm(config, genotype)

    @partial(jax.jit, donate_argnums=0, compiler_options=quick_compilation())
    def step(state, cohort, pair, lam):
        return algorithm.step(state, (gather(cohort, pair), lam))

    return step


@lru_cache(maxsize=4)
def _dice_of_pair(
    config: RunConfig, genotype: Genotype, num_structures: int
) -> Callable[..., Any]:
    network = make_network(config, genotype)

    def score(params, cohort, pair):
        images = gather(cohort._replace(labels=None), pair)
        out: Any = network.apply({"params": params}, images.moving, images.fixed)
        moving, fixed = (cohort.labels[index] for index in pair)
        moved = warp_labels(moving, out.displacements.full, num_structures + 1)
        return jnp.nanmean(dice(fixed, moved, num_structures + 1))

    return jax.jit(score)
