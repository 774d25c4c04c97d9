"""Training as pure functions: one state, one step."""

from autoreg_jax.training._best import Best, better
from autoreg_jax.training._step import (
    Gradient,
    TrainInfo,
    TrainingAlgorithm,
    TrainState,
    make_training,
    moved_average,
)

__all__ = [
    "Best",
    "Gradient",
    "TrainInfo",
    "TrainState",
    "TrainingAlgorithm",
    "better",
    "make_training",
    "moved_average",
]
