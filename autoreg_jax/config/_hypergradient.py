"""Settings of the hypergradients."""

import typing
from dataclasses import dataclass
from typing import Literal

from autoreg_jax.config._range import check_choice, check_range
from autoreg_jax.errors import ConfigError

Estimator = Literal[
    "one_step_unroll",
    "finite_difference",
    "first_order",
    "t1t2",
    "neumann",
    "conjugate_gradient",
    "minimal_residual",
    "generalised_minimal_residual",
    "nystrom",
    "warm_started_linear_system",
    "unroll",
    "forward_mode",
    "value_function",
    "evolution_strategies",
    "noise_reuse_evolution_strategies",
    "persistent_evolution_strategies",
]
MixedProduct = Literal[
    "forward_over_reverse", "reverse_over_forward", "central_difference"
]


@dataclass(frozen=True, kw_only=True)
class HypergradientConfig:
    """How the gradient of the outer variable is estimated."""

    name: Estimator = "one_step_unroll"
    """`one_step_unroll` is exact, `finite_difference` is lines 3-5 of Algorithm 1; the
    others are described in `autoreg_jax.hypergrad`."""

    mixed: MixedProduct = "forward_over_reverse"
    """Mixed second derivatives of the other estimators: exact, in one of two orders, or
    by finite differences."""

    radius: float = 1e-2
    """Length of the finite difference in ω (dimensionless, > 0)."""

    normalise: bool = True
    """Divide the direction of the finite difference by its norm, as the released code
    does and the paper does not."""

    steps: int = 5
    """K: inner steps, terms of the series, iterations or rank, by estimator (>= 1).
    Inner steps are steps of ξ down the gradient of one batch, not those by which ω
    learns, also with `unroll`, `forward_mode` and both evolution strategies: for a
    horizon of real training steps see `search.lam_search`."""

    damping: float = 1e-2
    """Added to the Hessian by `conjugate_gradient`, `minimal_residual`,
    `generalised_minimal_residual` (>= 0) and `nystrom` (> 0)."""

    penalty: float = 100.0
    """γ, weight of the inner loss in `value_function` (> 0)."""

    pairs: int = 16
    """Antithetic pairs of evolution strategies (>= 2)."""

    sigma: float = 0.1
    """Standard deviation of the perturbations in evolution strategies (> 0)."""

    def __post_init__(self) -> None:
        check_choice(self, "name", typing.get_args(Estimator))
        check_choice(self, "mixed", typing.get_args(MixedProduct))
        check_range(self, "radius", "penalty", "sigma", above=0)
        check_range(self, "steps", at_least=1)
        check_range(self, "pairs", at_least=2)
        check_range(self, "damping", at_least=0)
        if self.name == "nystrom" and self.damping == 0:
            raise ConfigError("damping: must be > 0 for nystrom, got 0.")
