"""Settings of the training and of the evaluation."""

import typing
from dataclasses import dataclass, field
from typing import Literal

from autoreg_jax.config._range import check_choice, check_range

Steps = Literal["relative", "absolute"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Training of the chosen network from scratch."""

    steps: int = 500
    """Steps, one batch each (>= 1)."""

    learning_rate: float = 3e-2
    """Adam's initial learning rate (> 0)."""

    omega_steps: Steps = "relative"
    """`relative`: the learning rate is relative to the root mean square of each kernel
    and decays to zero along a cosine; `absolute`: it is constant."""

    batch_size: int = 1
    """Pairs per step (>= 1)."""

    log_every: int = 10
    """Steps between two records (>= 1)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "steps", "batch_size", "log_every", at_least=1)
        check_choice(self, "omega_steps", typing.get_args(Steps))
        check_range(self, "learning_rate", above=0)


@dataclass(frozen=True, kw_only=True)
class RefineConfig:
    """Optimisation of the velocity of each pair, starting from the network's."""

    steps: int = 60
    """Gradient steps at half and again at full resolution (>= 0; 0: no refinement)."""

    learning_rate: float = 0.1
    """Adam's learning rate of the velocity, voxels per step (> 0)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "steps", at_least=0)
        check_range(self, "learning_rate", above=0)


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Evaluation on pairs that neither search nor training has seen."""

    pairs: int = 20
    """Pairs to register, spread evenly over the subjects (>= 1)."""

    split: str = "test"
    """Split of the dataset with these pairs: train, validation or test."""

    refine: RefineConfig = field(default_factory=RefineConfig)
    """Refinement of each pair, reported next to the network alone."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "pairs", at_least=1)
        check_choice(self, "split", ("train", "validation", "test"))
