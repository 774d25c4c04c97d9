"""The steps of many searches as two programs."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax

from autoreg_jax.config import PairsConfig, RunConfig, StageConfig
from autoreg_jax.runtime import quick_compilation
from autoreg_jax.search import SearchAlgorithm, over_pairs
from autoreg_jax.search_space import ArchitectureLogits, Genotype
from autoreg_jax.workflows._build import (
    DeviceCohort,
    gather,
    make_network,
    make_problem,
    stage_config,
    stage_hypergradient,
)
from autoreg_jax.workflows._decided import DecidedNetwork
from autoreg_jax.workflows._estimator import make_estimator
from autoreg_jax.workflows._flat import layout_of
from autoreg_jax.workflows._omega_optimizer import make_omega_optimizer
from autoreg_jax.workflows._programs import assemble, on_vector, plain_problem, rates


class Lane(NamedTuple):
    """What differs from search to search and rests during a stage.

    Attributes:
        lam: Weights of L_reg in a stage of α, else None.
        cells: The logits of a `DecidedNetwork` where genotypes differ, else None.
    """

    lam: Any
    cells: ArchitectureLogits | None


class ManyPrograms(NamedTuple):
    """The functions of `SearchAlgorithm` on arrays with a leading axis of searches.

    Attributes:
        init: `(omega, outer) -> states`.
        outer_step: `(states, lanes, pairs, valid_pairs, train, valid, owned) ->
            (states, infos)`; pairs are `(moving, fixed)`, each `(searches, batch)`.
        inner_step: `(states, lanes, pairs, train) -> (states, infos)`.
    """

    init: Callable[..., Any]
    outer_step: Callable[..., Any]
    inner_step: Callable[..., Any]


def many_programs(
    config: RunConfig,
    kind: str,
    genotype: Genotype | None,
    ndim: int,
    classes: tuple[int, bool],
) -> ManyPrograms:
    """The programs of a stage, the same for all that differs in numbers alone.

    Args:
        config: The run; seed and start of λ do not count.
        kind: The stage.
        genotype: Of the stage of λ where it is one for all searches.
        ndim: Number of spatial axes.
        classes: How many structures are labelled, and if the background is one more.
    """
    stage = stage_config(config.search, kind)
    estimator = stage_hypergradient(config.search, kind)
    rate, omega_rate = rates(config.search, kind)
    bare = replace(
        stage,
        steps=1,
        warm_up=0,
        every=1,
        stop=None,
        hypergradient=estimator,
        look_ahead_learning_rate=rate,
        omega_learning_rate=omega_rate,
    )
    rest = StageConfig(steps=0, warm_up=0, learning_rate=1.0)
    stages = {"feature": rest, "deformation": rest, "lam": rest}
    stages["lam" if kind == "lam" else "feature"] = bare
    search = replace(config.search, joint=False, hypergradient=estimator, **stages)
    same = replace(config, seed=0, pairs=PairsConfig(), search=search)
    group = "lam" if kind == "lam" else "feature"
    return _programs(same, group, genotype, ndim, classes)


@lru_cache(maxsize=4)
def _programs(
    config: RunConfig,
    kind: str,
    genotype: Genotype | None,
    ndim: int,
    classes: tuple[int, bool],
) -> ManyPrograms:
    algorithm = partial(_algorithm, config, kind, genotype, ndim)

    def batch(cohort: DeviceCohort, pair: Any, lane: Lane) -> Any:
        found = gather(cohort, pair, classes[0], has_background=classes[1])
        return found._replace(lam=lane.lam)

    def outer_step(state, lane, pair, valid_pairs, train, valid, owned):
        count = valid_pairs[0].shape[0]
        batches = tuple(
            batch(valid, tuple(side[place : place + 1] for side in valid_pairs), lane)
            for place in range(count)
        )
        judge = batches if count > 1 else batches[0]
        step = algorithm(lane.cells).outer_step
        return step(state, batch(train, pair, lane), judge, owned)

    def inner_step(state, lane, pair, train):
        return algorithm(lane.cells).inner_step(state, batch(train, pair, lane))

    compiled = partial(jax.jit, compiler_options=quick_compilation())
    shared = (None, None, None)  # subjects and what a stage owns
    return ManyPrograms(
        jax.jit(jax.vmap(algorithm(None).init)),
        compiled(jax.vmap(outer_step, in_axes=(0, 0, 0, 0, *shared))),
        compiled(jax.vmap(inner_step, in_axes=(0, 0, 0, None))),
    )


def _algorithm(
    config: RunConfig,
    kind: str,
    genotype: Genotype | None,
    ndim: int,
    cells: ArchitectureLogits | None,
) -> SearchAlgorithm:
    """Algorithm 1 of one search, to be compiled into something larger."""
    search = config.search
    network = make_network(config, genotype)
    layout = layout_of(network, ndim)
    if cells is None:
        problem = plain_problem(config, genotype, ndim)
    else:
        decided = DecidedNetwork(network, cells)
        problem = on_vector(make_problem(config, None, decided), layout)
    if stage_config(search, kind).valid_pairs > 1:
        problem = over_pairs(problem, is_scanned=True)
    rate, omega_rate = rates(search, kind)
    clip = 0.0 if kind == "lam" else config.quirks.gradient_clip
    return assemble(
        config,
        kind,
        problem,
        make_estimator(stage_hypergradient(search, kind), rate),
        make_omega_optimizer(omega_rate, layout, search.omega_steps, clip),
        lambda optimizer: optimizer,
    )
