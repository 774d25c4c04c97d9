"""Training as pure functions: one state, one step."""

from autoreg_jax.training._step import (
    TrainInfo,
    TrainingAlgorithm,
    TrainState,
    make_training,
    moved_average,
)

__all__ = [
    "TrainInfo",
    "TrainState",
    "TrainingAlgorithm",
    "make_training",
    "moved_average",
]
