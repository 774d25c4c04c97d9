"""What is compiled, each program once for all stages and runs with equal settings."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from autoreg_jax import hypergrad
from autoreg_jax.config import (
    EvaluateConfig,
    HypergradientConfig,
    PairsConfig,
    RunConfig,
    SearchConfig,
    TrainConfig,
)
from autoreg_jax.inference import warp_labels
from autoreg_jax.metrics import dice
from autoreg_jax.runtime import quick_compilation
from autoreg_jax.search import (
    PairBatch,
    SearchAlgorithm,
    SearchProblem,
    make_search,
    over_pairs,
    with_leaking_lambda,
)
from autoreg_jax.search_space import ArchitectureLogits, Genotype
from autoreg_jax.training import TrainingAlgorithm, make_training
from autoreg_jax.workflows._build import (
    gather,
    make_network,
    make_outer_optimizer,
    make_problem,
    stage_config,
    stage_hypergradient,
)
from autoreg_jax.workflows._compiled import compiled_problem
from autoreg_jax.workflows._estimator import (
    STRAIGHT,
    compiled_estimator,
    make_estimator,
)
from autoreg_jax.workflows._flat import Layout, layout_of
from autoreg_jax.workflows._omega_optimizer import (
    make_omega_optimizer,
    training_schedule,
)

gather_pair = jax.jit(gather, static_argnames=("num_structures", "has_background"))


def search_algorithm(
    config: RunConfig, genotype: Genotype | str | None, ndim: int, stage: str
) -> SearchAlgorithm:
    """Algorithm 1 with the three Optax optimizers of the configuration.

    Without a genotype the outer variable is α, with one it is λ; ω is a vector. Where
    a stage averages validation pairs its batch of them is a tuple. The functions are
    called as they are: what is dear in them is compiled already.
    """
    search, settings = config.search, stage_config(config.search, stage)
    layout = layout_of(make_network(config, genotype), ndim)
    rate, omega_rate = rates(search, stage)
    clip = 0.0 if stage == "lam" else config.quirks.gradient_clip
    is_averaged = settings.valid_pairs > 1
    problem = vector_problem(config, genotype, ndim)
    estimator = _estimator(
        stage_hypergradient(search, stage),
        rate,
        _of_problem(config),
        genotype,
        ndim,
        is_averaged,
    )
    return assemble(
        config,
        stage,
        over_pairs(problem, is_scanned=False) if is_averaged else problem,
        estimator,
        _omega_optimizer(omega_rate, layout, search.omega_steps, clip),
        _compiled_update,
    )


def rates(search: SearchConfig, stage: str) -> tuple[float, float]:
    """ξ of the look-ahead in a stage, and the step of ω."""
    settings = stage_config(search, stage)
    return (
        settings.look_ahead_learning_rate or search.look_ahead_learning_rate,
        settings.omega_learning_rate or search.omega_learning_rate,
    )


def assemble(
    config: RunConfig,
    stage: str,
    problem: SearchProblem,
    estimator: hypergrad.HypergradientEstimator,
    omega_optimizer: optax.GradientTransformation,
    ready: Callable[[optax.GradientTransformation], optax.GradientTransformation],
) -> SearchAlgorithm:
    """Algorithm 1 from a problem, an estimator and the optimizer of ω.

    Args:
        config: The run.
        stage: Which one.
        problem: Its losses.
        estimator: Of its hypergradient.
        omega_optimizer: Of ω.
        ready: What is done with the other optimizers, compiling them for example.
    """
    search, is_of_lambda = config.search, stage == "lam"
    outer = make_outer_optimizer(
        stage_config(search, stage),
        search.outer_epsilon,
        is_relative=is_of_lambda and search.lam_steps == "relative",
        positive=search.positive if is_of_lambda else "none",
    )
    rate, omega_rate = rates(search, stage)
    update = hypergrad.gradient_descent(rate)
    algorithm = make_search(problem, estimator, update, omega_optimizer, ready(outer))
    if is_of_lambda and config.quirks.lam_descends:
        return with_leaking_lambda(algorithm, ready(optax.adam(omega_rate)))
    return algorithm


def vector_problem(
    config: RunConfig, genotype: Genotype | str | None, ndim: int
) -> SearchProblem:
    """The problem of `search_algorithm`: ω a vector, derivatives compiled once."""
    return _problem(_of_problem(config), genotype, ndim)


def curvature(
    config: RunConfig, ndim: int, parts: tuple[str, ...]
) -> Callable[[Any, ArchitectureLogits, PairBatch], Any]:
    """Largest eigenvalue of ∇²_α L_val over parts of α, `(omega, alpha, batch)`."""
    return _curvature(_of_problem(config), ndim, parts)


@lru_cache(maxsize=4)
def _curvature(
    config: RunConfig, ndim: int, parts: tuple[str, ...]
) -> Callable[[Any, ArchitectureLogits, PairBatch], Any]:
    outer_loss = plain_problem(config, None, ndim).bilevel.outer_loss

    @partial(jax.jit, compiler_options=quick_compilation())
    def eigenvalue(omega: Any, alpha: ArchitectureLogits, batch: PairBatch) -> Any:
        def loss(owned: dict[str, Any]) -> Any:
            return outer_loss(omega, alpha._replace(**owned), batch)

        return hypergrad.largest_eigenvalue(
            loss, {part: getattr(alpha, part) for part in parts}
        )

    return eigenvalue


def training_algorithm(
    config: RunConfig, genotype: Genotype | str, ndim: int
) -> TrainingAlgorithm:
    """Adam on L_reg; the batch of its step is `(PairBatch, λ)`, ω a vector.

    The gradient is the program of the search of λ.
    """
    layout = layout_of(make_network(config, genotype), ndim)
    problem = vector_problem(config, genotype, ndim)

    def loss_and_terms(omega: Any, batch: Any) -> Any:
        images, lam = batch
        return problem.inner_terms(omega, lam, images)

    return make_training(loss_and_terms, _training_optimizer(config.train, layout))


def dice_of_pair(
    config: RunConfig, genotype: Genotype | str, num_structures: int
) -> Callable[..., Any]:
    """Mean Dice of the network on one pair, `(omega, cohort, pair) -> scalar`."""
    same = replace(RunConfig(), network=config.network, quirks=config.quirks)
    return _dice_of_pair(same, genotype, num_structures)


@lru_cache(maxsize=4)
def _dice_of_pair(
    config: RunConfig, genotype: Genotype | str, num_structures: int
) -> Callable[..., Any]:
    network = make_network(config, genotype)

    def score(omega, cohort, pair):
        images = gather(cohort._replace(labels=None), pair)
        params = layout_of(network, images.fixed.ndim - 2).to_tree(omega)
        out: Any = network.apply({"params": params}, images.moving, images.fixed)
        moving, fixed = (cohort.labels[index] for index in pair)
        moved = warp_labels(moving, out.displacements.full, num_structures + 1)
        return jnp.nanmean(dice(fixed, moved, num_structures + 1))

    return jax.jit(score)


def _of_problem(config: RunConfig) -> RunConfig:
    """The configuration with defaults for all that is no part of the problems."""
    given = config.search
    search = replace(
        SearchConfig(),
        shrink=given.shrink,
        judge=given.judge,
        folding_budget=given.folding_budget,
    )
    return replace(
        config,
        seed=0,
        pairs=PairsConfig(),
        search=search,
        train=TrainConfig(),
        evaluate=EvaluateConfig(),
    )


@lru_cache(maxsize=4)
def _problem(
    config: RunConfig, genotype: Genotype | str | None, ndim: int
) -> SearchProblem:
    """The problem on the vector of ω, with compiled derivatives."""
    return compiled_problem(plain_problem(config, genotype, ndim))


def plain_problem(
    config: RunConfig, genotype: Genotype | str | None, ndim: int
) -> SearchProblem:
    """The problem on the vector of ω, to be compiled into something larger."""
    layout = layout_of(make_network(config, genotype), ndim)
    return on_vector(make_problem(config, genotype), layout)


@lru_cache(maxsize=4)
def _estimator(
    settings: HypergradientConfig,
    learning_rate: float,
    config: RunConfig,
    genotype: Genotype | str | None,
    ndim: int,
    is_averaged: bool,
) -> hypergrad.HypergradientEstimator:
    """One program for both stages of α, where the estimator is one program at all."""
    estimator = make_estimator(settings, learning_rate)
    if settings.name in STRAIGHT and settings.mixed != "reverse_over_forward":
        return estimator
    problem = plain_problem(config, genotype, ndim)
    if is_averaged:
        problem = over_pairs(problem, is_scanned=True)
    update = hypergrad.gradient_descent(learning_rate)
    return compiled_estimator(estimator, problem.bilevel, update)


def on_vector(problem: SearchProblem, layout: Layout) -> SearchProblem:
    """The same problem whose ω is a vector."""

    def of_vector(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda omega, *rest: function(layout.to_tree(omega), *rest)

    inner, outer, _ = problem.bilevel
    inner_loss = outer_loss = of_vector(inner)
    if outer is not inner:
        outer_loss = of_vector(outer)
    return problem._replace(
        bilevel=hypergrad.BilevelProblem(inner_loss, outer_loss),
        inner_terms=of_vector(problem.inner_terms),
    )


@lru_cache(maxsize=4)
def _omega_optimizer(
    learning_rate: float, layout: Layout, steps: str, clip: float
) -> optax.GradientTransformation:
    return _compiled_update(make_omega_optimizer(learning_rate, layout, steps, clip))


@lru_cache(maxsize=4)
def _training_optimizer(
    config: TrainConfig, layout: Layout
) -> optax.GradientTransformation:
    schedule = training_schedule(config)
    return _compiled_update(make_omega_optimizer(schedule, layout, config.omega_steps))


def _compiled_update(
    optimizer: optax.GradientTransformation,
) -> optax.GradientTransformation:
    return optax.GradientTransformation(optimizer.init, jax.jit(optimizer.update))
