"""Settings of several devices."""

from dataclasses import dataclass

from autoreg_jax.config._range import check_range


@dataclass(frozen=True, kw_only=True)
class MeshConfig:
    """How a run is divided over the devices of all its processes.

    The devices form a mesh of three axes. Begin with `pairs`, for large batches; take
    `space` if one pair does not fit one device, and `members` if there is a population.
    It changes no result but for the rounding of sums, so a run may be resumed with
    another one.
    """

    pairs: int | None = None
    """Devices that share the pairs of a batch (>= 1), a divisor of every batch. null:
    on GPUs and TPUs as many as divide every batch, on a CPU 1, and with several
    processes all devices."""

    members: int = 1
    """Groups of devices (>= 1), each with its own members of a population: particles
    of evolution strategies, which are trainings under slightly different α or λ, or
    trials of `random`. A group has pairs × space devices. Without a population search
    and training use one group, unless several processes do the run."""

    space: int = 1
    """Devices that share each volume in search and training (>= 1), along its first
    axis that they divide. Each still warps whole volumes, so memory falls less than
    their number says (to 0.7 with four); bfloat16 and `search.shrink` save more."""

    def __post_init__(self) -> None:
        check_range(self, "pairs", "members", "space", at_least=1)
