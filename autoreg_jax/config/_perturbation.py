"""Settings of the search strategy `perturbation`."""

from dataclasses import dataclass

from autoreg_jax.config._range import check_range


@dataclass(frozen=True, kw_only=True)
class PerturbationConfig:
    """How `perturbation` chooses the operations of a trained mixture."""

    pairs: int = 8
    """Validation pairs on which an edge is measured without each of its operations
    (>= 2), the same for all; fewer if the subjects have no more."""

    fine_tune_steps: int = 10
    """Steps of ω between the choices of two edges (>= 0)."""

    alpha: bool = True
    """Move α while the mixture is trained, as `darts` does. false: α keeps its start
    and ω alone learns, in one stage as long as those of α together."""

    def __post_init__(self) -> None:
        check_range(self, "pairs", at_least=2)
        check_range(self, "fine_tune_steps", at_least=0)
