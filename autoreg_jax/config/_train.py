"""Settings of the training."""

import typing
from dataclasses import dataclass, field
from typing import Literal

from autoreg_jax.config._augment import AugmentConfig
from autoreg_jax.config._range import check_choice, check_range
from autoreg_jax.errors import ConfigError

Steps = Literal["relative", "absolute"]
TrainSteps = Literal["relative", "orthogonal", "absolute"]
Directions = Literal["one", "both", "inverse"]
Schedule = Literal["auto", "cosine", "constant"]
Keep = Literal["last", "best"]
Freeze = Literal["none", "features"]
TrainJudge = Literal["auto", "loss", "dice"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Training of the chosen network, from random weights or those of a model."""

    steps: int = 500
    """Steps (>= 1), each an update of the weights."""

    minutes: float | None = None
    """Time of the training (> 0; null: no limit). Whichever ends first, steps or time,
    ends it, with a record. The learning rate then follows the larger part of the two
    that is used, as known at the last record."""

    restart: int = 0
    """Step at which a finished training was asked for more (>= 0): there its schedule
    and its time begin again, for the rest of the steps."""

    accumulate: int = 1
    """Batches of a step (>= 1), one after the other: as one batch of so many times the
    size, in the memory of one."""

    learning_rate: float = 3e-2
    """Adam's initial learning rate (> 0)."""

    fine_tuning: float = 1.0
    """Factor on `learning_rate` in a training that starts from a model (> 0). Where the
    new images looked quite different, 1 learned more in 60 steps than 0.3 or 0.1."""

    omega_steps: TrainSteps = "orthogonal"
    """`relative`: Adam, whose learning rate is relative to the root mean square of each
    kernel; `orthogonal`: the same along the nearest orthogonal matrix to the momentum
    of each kernel (Muon), which learns more in a step; `absolute`: plain Adam."""

    schedule: Schedule = "auto"
    """`cosine`: the learning rate falls to zero along a cosine; `constant`; `auto`:
    `constant` for absolute steps and where one cycle of weights is averaged, which
    does what a falling rate is for; else `cosine`."""

    cycles: int = 1
    """Cosines of equal length (>= 1), each of which begins with the full rate."""

    warm_up: int | None = None
    """Steps in which the rate rises from zero (>= 0); null: a tenth of the first
    cosine, at most 50, or 0 if the rate is constant."""

    average: float | None = 0.99
    """Decay of an exponential average of the weights, in (0, 1), which then are those
    that are validated and kept. After t steps it is at most (1 + t) / (10 + t), so that
    the start is soon forgotten; null: no average."""

    keep: Keep = "last"
    """The weights of the model: the `last` ones, or the `best` of those that were
    validated."""

    judge: TrainJudge = "auto"
    """What is measured on validation pairs: `dice`, overlap of label maps; `loss`, that
    of the training without terms beyond the images; `auto`: `dice` if there are label
    maps, else `loss`, which is measured only where `keep` or `validate_every` asks for
    it."""

    validate_every: int | None = None
    """Steps between two validations (>= 1), each with the next record; null: a fifth of
    the steps, or a twentieth if the best weights are kept; with `minutes` every tenth
    record."""

    validate_pairs: int = 4
    """Validation pairs, always the same (>= 1)."""

    freeze: Freeze = "none"
    """Weights that stay as they are: `features`, those of the feature cells, for a
    training that starts from a model; `none`."""

    batch_size: int = 1
    """Pairs per step (>= 1)."""

    directions: Directions = "one"
    """`one`: moving image to fixed image; `both`: also the swapped pair in the same
    step, and the loss is the mean of the two; `inverse`: the network predicts one
    direction, and its inverse is compared in the other, which costs less. It is that of
    the exponentials, within 0.03 voxels of half resolution on average inside of the
    image; within a few voxels of its border, where a field ends, it is not (0.2)."""

    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Random changes of the images."""

    log_every: int = 10
    """Steps between two records (>= 1)."""

    steps_per_call: int | None = None
    """Steps that the device does in one call, without the host (>= 1), see
    `search.steps_per_call`."""

    def __post_init__(self) -> None:
        check_range(self, "steps", "batch_size", "log_every", "cycles", at_least=1)
        check_range(self, "steps_per_call", "validate_every", at_least=1)
        check_range(self, "validate_pairs", "accumulate", at_least=1)
        check_range(self, "minutes", above=0)
        check_range(self, "restart", at_least=0)
        check_choice(self, "freeze", typing.get_args(Freeze))
        check_choice(self, "keep", typing.get_args(Keep))
        check_choice(self, "judge", typing.get_args(TrainJudge))
        check_choice(self, "omega_steps", typing.get_args(TrainSteps))
        check_choice(self, "directions", typing.get_args(Directions))
        check_choice(self, "schedule", typing.get_args(Schedule))
        check_range(self, "learning_rate", "fine_tuning", above=0)
        check_range(self, "average", above=0, below=1)
        check_range(self, "warm_up", at_least=0)
        if self.restart >= self.steps:
            raise ConfigError(
                f"restart: must be less than steps ({self.steps}), got {self.restart}."
            )
        first = self.steps // self.cycles
        least = min(self.restart or self.steps, self.steps - self.restart)
        if self.cycles > least:
            raise ConfigError(f"cycles: must be at most {least}, got {self.cycles}.")
        by_default = self.schedule == "auto" and self.omega_steps == "absolute"
        if self.cycles > 1 and (by_default or self.schedule == "constant"):
            raise ConfigError(
                f"cycles: there are {self.cycles} cosines, but the learning rate is "
                "constant; set schedule to cosine, or cycles to 1."
            )
        # A training that goes on may have been stopped in its warm-up.
        if self.warm_up is not None and not self.restart and self.warm_up >= first:
            raise ConfigError(
                f"warm_up: must be less than the steps of a cosine ({first}), got "
                f"{self.warm_up}."
            )
