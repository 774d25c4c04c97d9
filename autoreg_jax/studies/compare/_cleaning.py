"""Hyper-cleaning from start to end: what a better hypergradient is worth."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from autoreg_jax import hypergrad
from autoreg_jax.hypergrad import HypergradientEstimator, cosine
from autoreg_jax.hypergrad.problems import hyper_cleaning
from autoreg_jax.studies.compare._digits import NoisySplit
from autoreg_jax.studies.compare._estimators import (
    chosen,
    cleaning_estimators,
)

# 1/L of the inner loss at equal weights (L = 0.66 on the digits).
LEARNING_RATE = 1.5
NUM_CLASSES = 10

logger = logging.getLogger(__name__)


class Cleaned(NamedTuple):
    """Result of one estimator on several seeds, each field `(seed,)`.

    Attributes:
        cosine: Of the first estimate at ω* to the true hypergradient.
        valid_loss: Cross entropy on the validation part after the search.
        test_accuracy: In [0, 1].
        f1: Harmonic mean of precision and recall of σ(a) > ½ as a sign of a right
            label.
    """

    cosine: Any
    valid_loss: Any
    test_accuracy: Any
    f1: Any


class CleaningRow(NamedTuple):
    """Hyper-cleaning with one estimator: mean and standard deviation over seeds.

    Attributes:
        estimator: Its name and settings.
        cosine: Of the first estimate, at ω*, to the true hypergradient.
        cosine_sd: Its standard deviation.
        valid_loss: Cross entropy on the validation part in the end.
        valid_loss_sd: Its standard deviation.
        test_accuracy: In [0, 1].
        test_accuracy_sd: Its standard deviation.
        f1: Of the weights as a judge of the labels, in [0, 1].
        f1_sd: Its standard deviation.
    """

    estimator: str
    cosine: float
    cosine_sd: float
    valid_loss: float
    valid_loss_sd: float
    test_accuracy: float
    test_accuracy_sd: float
    f1: float
    f1_sd: float


class SeedRow(NamedTuple):
    """Hyper-cleaning with one estimator and one seed; fields as in `CleaningRow`."""

    estimator: str
    seed: int
    cosine: float
    valid_loss: float
    test_accuracy: float
    f1: float


def cleaning_tables(
    splits: Sequence[NoisySplit], outer_steps: int, only: Sequence[str] = ()
) -> tuple[list[CleaningRow], list[SeedRow]]:
    """The digits from start to end by several estimators.

    Args:
        splits: One of each seed.
        outer_steps: Steps of the weights of the examples.
        only: Beginnings of the names of the estimators; all where empty.

    Returns:
        A row for each estimator, and one for each of its seeds.
    """
    rows, seeds = [], []
    for name, estimator in chosen(cleaning_estimators(LEARNING_RATE), only).items():
        logger.info("Cleaning with %s, seeds: %d.", name, len(splits))
        inner_update = hypergrad.gradient_descent(LEARNING_RATE)
        found = clean(estimator, inner_update, splits, outer_steps=outer_steps)
        spread = [stat for v in found for stat in (float(v.mean()), float(v.std()))]
        rows.append(CleaningRow(name, *spread))
        for seed, values in enumerate(zip(*found, strict=True)):
            seeds.append(SeedRow(name, seed, *map(float, values)))
    return rows, seeds


def clean(
    estimator: HypergradientEstimator | None,
    inner_update: Any,
    splits: Sequence[NoisySplit],
    *,
    outer_steps: int = 400,
    inner_steps: int = 5,
) -> Cleaned:
    """Learn the weights of the training examples, all seeds in one program.

    Adam (0.05) moves a; between two of its steps ω makes `inner_steps` gradient steps.
    In the end ω is solved for, so that only the weights are judged.

    Args:
        estimator: Of the hypergradient; None leaves the weights equal.
        inner_update: The inner step that it looks through.
        splits: One of each seed, all of one size.
        outer_steps: Steps of a.
        inner_steps: Steps of ω for each.

    Returns:
        Scores, a value a seed.
    """
    stacked = jax.tree.map(lambda *parts: jnp.asarray(np.stack(parts)), *splits)
    step = _step_of(estimator, inner_update)
    optimizer = optax.adam(0.05)

    def run(split: NoisySplit) -> Cleaned:
        example = hyper_cleaning(split.train, split.valid, NUM_CLASSES)
        problem, outer = example.problem, example.point.outer

        def descend(omega: Any, outer: Any) -> Any:
            slope = jax.grad(problem.inner_loss)(omega, outer, split.train)
            return omega - LEARNING_RATE * slope

        def advance(carried: Any, _: None) -> tuple[Any, None]:
            omega, outer, moments, state = carried
            grad, state = step(example, state, omega, outer)
            updates, moments = optimizer.update(grad, moments)
            outer = optax.apply_updates(outer, updates)
            omega = jax.lax.fori_loop(
                0, inner_steps, lambda _, w: descend(w, outer), omega
            )
            return (omega, outer, moments, state), None

        state = () if estimator is None else estimator.init(example.point.inner, outer)
        first, _ = step(example, state, example.solution(outer), outer)
        start = example.point.inner, outer, optimizer.init(outer), state
        (_, found, _, _), _ = jax.lax.scan(advance, start, length=outer_steps)
        omega = example.solution(found)
        features, labels = split.test
        hits = jnp.argmax(features @ omega, axis=1) == labels
        return Cleaned(
            cosine(first, example.reference(outer)),
            problem.outer_loss(omega, found, split.valid),
            jnp.mean(hits),
            _f1(found > 0, split.is_clean),
        )

    return Cleaned(*map(np.asarray, jax.jit(jax.vmap(run))(stacked)))


def _step_of(
    estimator: HypergradientEstimator | None, inner_update: Any
) -> Callable[..., Any]:
    def step(example: Any, state: Any, omega: Any, outer: Any) -> Any:
        if estimator is None:
            return jnp.zeros_like(outer), state
        hyper, state = estimator.estimate(
            example.problem,
            state,
            example.point._replace(inner=omega, outer=outer),
            inner_update=inner_update,
        )
        return hyper.grad, state

    return step


def _f1(chosen: Any, right: Any) -> Any:
    """Harmonic mean of precision and recall; 0 where nothing right was chosen."""
    both = jnp.sum(chosen & right)
    return 2 * both / jnp.maximum(jnp.sum(chosen) + jnp.sum(right), 1)
