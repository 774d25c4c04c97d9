"""Training as pure functions: one state, one step."""

from autoreg_jax.training._step import TrainInfo as TrainInfo
from autoreg_jax.training._step import TrainingAlgorithm as TrainingAlgorithm
from autoreg_jax.training._step import TrainState as TrainState
from autoreg_jax.training._step import make_training as make_training

__all__ = ["TrainInfo", "TrainState", "TrainingAlgorithm", "make_training"]
