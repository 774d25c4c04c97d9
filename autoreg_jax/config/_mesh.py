"""Settings of several devices."""

from dataclasses import dataclass

from autoreg_jax.config._range import check_range


@dataclass(frozen=True, kw_only=True)
class MeshConfig:
    """How a run is divided over the devices of all its processes.

    It changes no result but for the rounding of sums, so a run may be resumed with
    another one.
    """

    pairs: int | None = None
    """Devices that share the pairs of a batch (>= 1), a divisor of every batch. null:
    on GPUs and TPUs as many as divide every batch, on a CPU 1, and with several
    processes all devices."""

    members: int = 1
    """Groups of devices (>= 1), each with its own members of a population: particles
    of evolution strategies, trials of `random`. A group has pairs × space devices."""

    space: int = 1
    """Devices that share each volume in search and training (>= 1), along its first
    axis that they divide. Each still warps whole volumes, so memory falls less than
    their number says (to 0.7 with four); bfloat16 and `search.shrink` save more."""

    def __post_init__(self) -> None:
        check_range(self, "pairs", "members", "space", at_least=1)
