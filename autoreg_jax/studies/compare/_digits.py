"""Scikit-learn's digits with noisy labels: the data of hyper-cleaning."""

from typing import NamedTuple

import numpy as np

from autoreg_jax.errors import DataError


class NoisySplit(NamedTuple):
    """A split data set with noise in the labels of the training part.

    Attributes:
        train: Features `(n, p)` and labels `(n,)`, some of them drawn at random.
        valid, test: Features and clean labels.
        is_clean: Whether a training label is correct, `(n,)` bool.
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

    Args:
        features: `(n, p)`, of the order of 1.
        labels: `(n,)`, integers from 0.
        sizes: Examples for training and for validation; the rest is the test set.
        noise: Probability to draw a training label from all classes.
        seed: Of order and noise.

    Raises:
        ValueError: If the sizes leave no examples for the test set.
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

    Returns:
        Features `(1797, 64)` in [0, 1] and labels `(1797,)` from 0 to 9.

    Raises:
        DataError: If scikit-learn, which provides them, is not installed.
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
