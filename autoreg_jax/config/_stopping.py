"""When a stage of the search ends before its steps are done."""

from dataclasses import dataclass

from autoreg_jax.config._range import check_range


@dataclass(frozen=True, kw_only=True)
class StopConfig:
    """Rules that end a stage early; none of them holds unless asked for."""

    ranking: int | None = None
    """End where the best operation of every edge, or the order of the weights of λ, is
    the same after so many moves of the outer variable in a row (>= 2; 10 epochs in the
    paper). Moves are counted after the warm-up; options that tie have no order."""

    full_ranking: bool = False
    """Compare the order of all operations of an edge, not the best one alone; of λ the
    whole order counts in any case."""

    tolerance: float = 1e-6
    """Smallest difference of two logits or weights that is an order (>= 0). Adam's
    first step is equally long for all logits but for rounding."""

    eigenvalue_every: int | None = None
    """Moves of α between two records of the largest eigenvalue of ∇²_α L_val (>= 1);
    the stage ends where it grows too fast, with the α of `eigenvalue_lag` records ago.
    An eigenvalue costs as much as some hundred steps of ω. λ, which is no part of the
    outer loss, has none."""

    eigenvalue_window: int = 5
    """Eigenvalues in a mean (>= 1)."""

    eigenvalue_lag: int = 4
    """Records between the two means that are compared (>= 1)."""

    eigenvalue_limit: float = 1.3
    """Growth of the mean that ends the stage (> 0)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "ranking", at_least=2)
        check_range(self, "tolerance", at_least=0)
        check_range(self, "eigenvalue_every", at_least=1)
        check_range(self, "eigenvalue_window", "eigenvalue_lag", at_least=1)
        check_range(self, "eigenvalue_limit", above=0)
