"""Training as pure functions: one state, one step."""

from autoreg_jax.training._best import Best, better
from autoreg_jax.training._guard import Guarded, Watched, checked_step, watched
from autoreg_jax.training._rates import Scaled, lowered, scalable
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
    "Guarded",
    "Scaled",
    "TrainInfo",
    "TrainState",
    "TrainingAlgorithm",
    "Watched",
    "better",
    "checked_step",
    "lowered",
    "make_training",
    "moved_average",
    "scalable",
    "watched",
]
