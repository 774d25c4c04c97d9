"""Hyper-cleaning of noisy digits: the benefit of a better hypergradient."""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from autoreg_jax import hypergrad
from autoreg_jax.errors import DataError
from autoreg_jax.hypergrad import HypergradientEstimator, Point, cosine
from autoreg_jax.hypergrad.problems import hyper_cleaning
from autoreg_jax.studies.compare._estimators import chosen, cleaning_estimators


class NoisySplit(NamedTuple):
    """A split data set of features `(n, p)` and labels `(n,)`.

    Some labels of the training part are drawn at random; `is_clean` says which are
    right.
    """

    train: tuple[np.ndarray, np.ndarray]
    valid: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    is_clean: np.ndarray


def noisy_split(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    sizes: tuple[int, int] = (600, 400),
    noise: float = 0.5,
    seed: int = 0,
) -> NoisySplit:
    """Split a data set, replace training labels at random, append a constant feature.

    `sizes` are those of the training and the validation part; the rest is the test set.
    `noise` is the probability to draw a training label from all classes.
    """
    num_train, num_valid = sizes
    if num_train + num_valid >= len(labels):
        raise ValueError(
            f"sizes {sizes} leave none of {len(labels)} examples for the test set."
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    ones = np.ones((len(labels), 1), np.float32)
    features = np.concatenate([np.asarray(features, np.float32), ones], axis=1)
    train, valid, test = np.split(order, [num_train, num_train + num_valid])
    given = np.array(labels[train])
    is_drawn = rng.random(num_train) < noise
    given[is_drawn] = rng.integers(0, labels.max() + 1, is_drawn.sum())
    return NoisySplit(
        (features[train], given),
        (features[valid], np.asarray(labels[valid])),
        (features[test], np.asarray(labels[test])),
        given == labels[train],
    )


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Scikit-learn's 1797 handwritten digits of 8 × 8 pixels.

    Features `(1797, 64)` are in [0, 1], labels `(1797,)` from 0 to 9.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise DataError(
            "the digits come with scikit-learn, which is not installed; "
            'run: pip install "autoreg_jax[compare]"'
        ) from error
    features, labels = map(np.asarray, datasets.load_digits(return_X_y=True))
    return (features / 16).astype(np.float32), labels.astype(np.int32)


# 1/L of the inner loss at equal weights (L = 0.66 on the digits).
LEARNING_RATE = 1.5
NUM_CLASSES = 10

logger = logging.getLogger(__name__)


class Cleaned(NamedTuple):
    """Result of one estimator on several seeds, each field `(seed,)`.

    `cosine` is of the first estimate at ω* to the true hypergradient; `valid_loss` a
    cross entropy; `f1` the harmonic mean of precision and recall of σ(a) > ½ as a
    classifier of correct labels.
    """

    cosine: Any
    valid_loss: Any
    test_accuracy: Any
    f1: Any


def cleaning_records(
    splits: Sequence[NoisySplit], outer_steps: int, only: Sequence[str] = ()
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Clean the digits from start to end with several estimators.

    One record for each estimator with means and standard deviations over the seeds, and
    one for each of its seeds; none without splits.
    """
    records, by_seed = [], []
    estimators = chosen(cleaning_estimators(LEARNING_RATE), only) if splits else {}
    for name, estimator in estimators.items():
        logger.info("Cleaning with %s, seeds: %d.", name, len(splits))
        found = clean(estimator, splits, outer_steps=outer_steps)
        record: dict[str, Any] = {"estimator": name}
        for key, values in found._asdict().items():
            record |= {key: float(values.mean()), f"{key}_sd": float(values.std())}
        records.append(record)
        for seed, values in enumerate(zip(*found, strict=True)):
            scores = zip(Cleaned._fields, map(float, values), strict=True)
            by_seed.append({"estimator": name, "seed": seed, **dict(scores)})
    return records, by_seed


def clean(
    estimator: HypergradientEstimator | None,
    splits: Sequence[NoisySplit],
    *,
    outer_steps: int = 400,
    inner_steps: int = 5,
) -> Cleaned:
    """Learn the weights of the training examples, all seeds in one program.

    Adam (0.05) moves a; between two of its steps ω takes `inner_steps` gradient steps.
    At the end ω is solved for, so that the scores depend on the weights alone. Without
    an estimator the weights stay equal.
    """
    stacked = jax.tree.map(lambda *parts: jnp.asarray(np.stack(parts)), *splits)
    inner_update = hypergrad.gradient_descent(LEARNING_RATE)
    optimizer = optax.adam(0.05)

    def run(split: NoisySplit) -> Cleaned:
        example = hyper_cleaning(split.train, split.valid, NUM_CLASSES)
        problem, (start, outer, *batches) = example.problem, example.point

        def estimate(state: Any, omega: Any, outer: Any) -> Any:
            if estimator is None:
                return jnp.zeros_like(outer), state
            point = Point(omega, outer, *batches)
            hyper, state = estimator.estimate(
                problem, state, point, inner_update=inner_update
            )
            return hyper.grad, state

        def advance(carried: Any, _: None) -> tuple[Any, None]:
            omega, outer, moments, state = carried
            grad, state = estimate(state, omega, outer)
            updates, moments = optimizer.update(grad, moments)
            outer = optax.apply_updates(outer, updates)

            def descend(_: Any, omega: Any) -> Any:
                slope = jax.grad(problem.inner_loss)(omega, outer, split.train)
                return omega - LEARNING_RATE * slope

            omega = jax.lax.fori_loop(0, inner_steps, descend, omega)
            return (omega, outer, moments, state), None

        state = () if estimator is None else estimator.init(start, outer)
        first, _ = estimate(state, example.solution(outer), outer)
        carried = start, outer, optimizer.init(outer), state
        (_, found, _, _), _ = jax.lax.scan(advance, carried, length=outer_steps)
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


def _f1(chosen: Any, right: Any) -> Any:
    """Harmonic mean of precision and recall; 0 where no choice is right."""
    both = jnp.sum(chosen & right)
    return 2 * both / jnp.maximum(jnp.sum(chosen) + jnp.sum(right), 1)
