"""Training of the chosen network, and its measurement: their settings."""

import typing
from dataclasses import dataclass, field
from typing import Literal

from autoreg_jax.config._range import check_choice, check_range

Steps = Literal["relative", "absolute"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Training of the network that the search has chosen, from scratch."""

    steps: int = 500
    """Steps, one batch each (>= 1)."""

    learning_rate: float = 3e-2
    """Adam's step (> 0)."""

    omega_steps: Steps = "relative"
    """Whether that is a part of the root mean square of each kernel and falls to zero
    along a cosine, or the step itself, the same to the end."""

    batch_size: int = 1
    """Pairs in a step (>= 1)."""

    log_every: int = 10
    """Steps between two records (>= 1)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "steps", "batch_size", "log_every", at_least=1)
        check_choice(self, "omega_steps", typing.get_args(Steps))
        check_range(self, "learning_rate", above=0)


@dataclass(frozen=True, kw_only=True)
class RefineConfig:
    """Optimisation of the velocity of one pair, started from the network's."""

    steps: int = 60
    """Gradient steps on the pair with half and then with all of its voxels along each
    axis (>= 0; 0 leaves the refinement out)."""

    learning_rate: float = 0.1
    """Adam's learning rate of the velocity, voxels a step (> 0)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "steps", at_least=0)
        check_range(self, "learning_rate", above=0)


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Measurement on pairs that neither search nor training has seen."""

    pairs: int = 20
    """Pairs to register, spread evenly over the subjects (>= 1)."""

    split: str = "test"
    """Split of the data set from which the pairs are drawn."""

    refine: RefineConfig = field(default_factory=RefineConfig)
    """Refinement on each pair, reported beside the network alone."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "pairs", at_least=1)
        check_choice(self, "split", ("train", "validation", "test"))
