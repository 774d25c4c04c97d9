"""How far the search of λ looks ahead."""

import typing
from dataclasses import dataclass
from typing import Literal

from autoreg_jax.config._range import check_choice, check_range
from autoreg_jax.errors import ConfigError

Method = Literal["hypergradient", "branches", "forward", "amortised"]
GoOn = Literal["together", "apart", "anew"]


@dataclass(frozen=True, kw_only=True)
class LamSearchConfig:
    """Search of λ with a horizon of many training steps.

    The outer variable is the logarithm of the ratio of each weight to the first term,
    which stays fixed. Warm-up, training pairs, decays and the optimizer of ω are those
    of `search.lam`; `search.minutes` does not shorten the warm-up.
    """

    method: Method = "hypergradient"
    """`hypergradient`: a move in every step, by `search.hypergradient`, as in Algorithm
    1, and the settings below are not used; `branches`: trainings of `horizon` steps
    under λ and under each ratio times `factor`, compared on the same validation pairs;
    `forward`: derivatives of ω with respect to the log ratios, carried along the
    training (real-time recurrent learning), all at once: with n weights it needs the
    memory of n trainings; `amortised`: the gradient of the judge by what a network is
    told that learns under all λ within `reach`, at the cost of one training."""

    horizon: int = 30
    """K, training steps between two moves of λ (>= 1)."""

    moves: int = 10
    """Moves of λ (>= 1), in place of `search.lam.steps`. With n weights a move by
    `branches` costs nK training steps."""

    step: float = 0.5
    """Length of a move, in log ratios (> 0): the derivative is divided by its root mean
    square norm over the moves so far."""

    floor: float = 0.002
    """A derivative whose root mean square norm is smaller than this moves λ by as much
    less (change of the judge by e-fold ratios, >= 0)."""

    factor: float = 2.0
    """Factor of a ratio in its branch (> 1)."""

    reach: float = 1.5
    """How far the log ratios of a step of `amortised` are from those of λ (> 0), at
    most: 1.5 is a factor of 4.5."""

    pairs: int = 8
    """Validation pairs of a move by `branches` and `amortised` (>= 2)."""

    window: int = 10
    """Last steps before a move over which `forward` averages the derivative (>= 1, at
    most `horizon`), each on the validation pairs of `search.lam.valid_pairs`."""

    go_on: GoOn = "together"
    """After a move: `together`, all branches from ω of the present λ, and `forward`
    forgets its derivatives: the horizon is K steps; `apart`, each branch from its own
    ω, as noise-reuse evolution strategies (Li et al., NeurIPS 2023) along the axes, and
    `forward` keeps its derivatives: the horizon is the stage so far; `anew`, all from
    the first ω of the stage: the horizon is a whole training of K steps."""

    def __post_init__(self) -> None:
        check_choice(self, "method", typing.get_args(Method))
        check_choice(self, "go_on", typing.get_args(GoOn))
        check_range(self, "horizon", "moves", "window", at_least=1)
        check_range(self, "pairs", at_least=2)
        check_range(self, "step", "reach", above=0)
        check_range(self, "factor", above=1)
        check_range(self, "floor", at_least=0)
        if self.method == "forward" and self.window > self.horizon:
            raise ConfigError(
                f"window: must be at most horizon ({self.horizon}), got {self.window}."
            )
