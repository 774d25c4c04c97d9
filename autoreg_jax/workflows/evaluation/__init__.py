"""Scores on pairs that neither search nor training has seen."""

from autoreg_jax.workflows.evaluation._evaluate import evaluate
from autoreg_jax.workflows.evaluation._evaluation import (
    Evaluation,
    mean_and_sd,
    read_evaluation,
)
from autoreg_jax.workflows.evaluation._external import (
    evaluate_dataset,
    smoothness_dataset,
)
from autoreg_jax.workflows.evaluation._front import smoothness_front
from autoreg_jax.workflows.evaluation._scores import PairData, pair_of, score

__all__ = [
    "Evaluation",
    "PairData",
    "evaluate",
    "evaluate_dataset",
    "mean_and_sd",
    "pair_of",
    "read_evaluation",
    "score",
    "smoothness_dataset",
    "smoothness_front",
]
