"""Registration of a pair by optimisation, from nothing or from what a network says."""

from autoreg_jax.inference.optimisation._classical import (
    SMOOTHNESS,
    Refined,
    pair_levels,
    register_pair,
    velocity_step,
)
from autoreg_jax.inference.optimisation._compared_by import (
    AUTO,
    ComparedBy,
    channels_compared_by,
    compared_by,
)
from autoreg_jax.inference.optimisation._discrete import discrete_velocity
from autoreg_jax.inference.optimisation._guidance import Guidance
from autoreg_jax.inference.optimisation._level import Level, displacements, level_loss
from autoreg_jax.inference.optimisation._optimise import descend

__all__ = [
    "AUTO",
    "SMOOTHNESS",
    "ComparedBy",
    "Guidance",
    "Level",
    "Refined",
    "channels_compared_by",
    "compared_by",
    "descend",
    "discrete_velocity",
    "displacements",
    "level_loss",
    "pair_levels",
    "register_pair",
    "velocity_step",
]
