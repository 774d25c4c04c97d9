"""What is done where a training or a search diverges."""

import typing
from dataclasses import dataclass
from typing import Literal

from autoreg_jax.config._range import check_choice, check_range

Policy = Literal["stop", "skip", "rollback"]


@dataclass(frozen=True, kw_only=True)
class DivergenceConfig:
    """What is done where a training, or a stage of a search, diverges.

    It diverges if a number becomes NaN or infinite, if neighbouring displacements
    differ by ten voxels, if α exceeds 1e3 or λ exceeds 1e6, or if the images agree far
    less than at the start. metrics.jsonl and the report say what was done.
    """

    policy: Policy = "stop"
    """`stop`: an error, which names step, pair and rates; `skip`: an update that shows
    one of the first three is not made, as if its pair had not been drawn, for single
    pairs that are damaged; `rollback`: back to an earlier state, with lower learning
    rates, for rates that are too high."""

    skips: int = 10
    """`skip`: updates in a row that may be left out (>= 1); one more is an error."""

    gradient: float = 1e3
    """`skip`: also skip an update whose gradient is more than this many times as long
    as the average of the earlier ones (> 1); the first gradient may be 1e8 long."""

    rollbacks: int = 3
    """`rollback`: how often a training or a stage may go back (>= 1); then it ends with
    the error."""

    factor: float = 0.3
    """`rollback`: factor on the learning rates of the weights and of α or λ, each time,
    in [1e-6, 1). The state is one after which a twentieth of the steps, and at least
    20, went well, or the first one."""

    def __post_init__(self) -> None:
        check_choice(self, "policy", typing.get_args(Policy))
        check_range(self, "skips", "rollbacks", at_least=1)
        check_range(self, "gradient", above=1)
        check_range(self, "factor", at_least=1e-6, below=1)
