"""Settings of the bilevel search and of its hypergradients."""

import typing
from dataclasses import dataclass, field
from typing import Literal

from autoreg_jax.config._hypergradient import HypergradientConfig
from autoreg_jax.config._lam_search import LamSearchConfig
from autoreg_jax.config._perturbation import PerturbationConfig
from autoreg_jax.config._range import check_choice, check_range
from autoreg_jax.config._train import Steps
from autoreg_jax.errors import ConfigError

Judge = Literal["auto", "dice", "landmarks", "mind", "none"]
Positive = Literal["none", "softplus", "exp", "log_ratio"]


@dataclass(frozen=True, kw_only=True)
class StopConfig:
    """Rules that end a stage of the search early; none by default."""

    ranking: int | None = None
    """End when the best operation of every edge, or the order of the weights of λ, has
    not changed for this many updates of the outer variable (>= 2; the paper: 10
    epochs), counted after the warm-up. Tied options have no order."""

    full_ranking: bool = False
    """Compare the order of all operations of an edge instead of the best one; for λ the
    whole order is always compared."""

    tolerance: float = 1e-6
    """Logits or weights that differ by less are tied (>= 0). Adam's first step has the
    same length for all logits except for rounding."""

    eigenvalue_every: int | None = None
    """Updates of α between two computations of the largest eigenvalue of ∇²_α L_val
    (>= 1; each costs as much as several hundred steps of ω); null: never. The stage
    ends if the eigenvalue grows too fast, with the α of `eigenvalue_lag` records ago.
    Not used for λ, on which the outer loss does not depend directly."""

    eigenvalue_window: int = 5
    """Eigenvalues in a moving average (>= 1)."""

    eigenvalue_lag: int = 4
    """Records between the two averages that are compared (>= 1)."""

    eigenvalue_limit: float = 1.3
    """Growth of the average that ends the stage (> 0)."""

    def __post_init__(self) -> None:
        check_range(self, "ranking", at_least=2)
        check_range(self, "tolerance", at_least=0)
        check_range(self, "eigenvalue_every", at_least=1)
        check_range(self, "eigenvalue_window", "eigenvalue_lag", at_least=1)
        check_range(self, "eigenvalue_limit", above=0)


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One stage of Algorithm 1: the search of α_F, α_D or λ."""

    steps: int
    """Inner steps of the stage, one batch each (>= 0; 0: skip the stage)."""

    train_pairs: int = 1
    """Training pairs in the batch of a step (>= 1)."""

    warm_up: int
    """Initial steps that update the network weights ω only (>= 0, less than `steps`;
    0 if `steps` is 0)."""

    every: int = 1
    """Steps between two updates of the outer variable after the warm-up (>= 1)."""

    valid_pairs: int = 1
    """Validation pairs in the outer loss of an update (>= 1)."""

    learning_rate: float
    """Adam's learning rate of α, or of λ, see `lam_steps` (> 0)."""

    beta1: float = 0.5
    """Adam's decay of the first moment of the outer variable, in [0, 1)."""

    beta2: float = 0.999
    """Adam's decay of the second moment of the outer variable, in [0, 1)."""

    stop: StopConfig | None = None
    """Early stopping of this stage; null: as `search.stop`."""

    omega_learning_rate: float | None = None
    """Adam's learning rate of ω in this stage (> 0); null: as in `search`."""

    look_ahead_learning_rate: float | None = None
    """ξ of this stage (> 0); null: as in `search`."""

    hypergradient: HypergradientConfig | None = None
    """Estimator of this stage; null: as in `search`."""

    def __post_init__(self) -> None:
        check_range(self, "steps", "warm_up", at_least=0)
        check_range(self, "every", "train_pairs", "valid_pairs", at_least=1)
        check_range(self, "learning_rate", above=0)
        check_range(self, "omega_learning_rate", "look_ahead_learning_rate", above=0)
        check_range(self, "beta1", "beta2", at_least=0, below=1)
        if self.warm_up >= max(self.steps, 1):
            raise ConfigError(
                f"warm_up: must be less than steps ({self.steps}), got {self.warm_up}; "
                "if steps is 0, set warm_up to 0."
            )


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """Bilevel search, Algorithm 1: feature cells, deformation cells, loss weights."""

    # At least half of each stage is warm-up (15 of 45 epochs in the released code): α
    # is meaningless before the mixture has learned to match. The learning rates are
    # larger than in Sec. IV-A (1e-4 and 4e-3) because a stage has dozens of updates
    # where the paper has tens of thousands.
    feature: StageConfig = field(
        default_factory=lambda: StageConfig(steps=75, warm_up=50, learning_rate=2e-2)
    )
    """Stage 1, α_F."""

    deformation: StageConfig = field(
        default_factory=lambda: StageConfig(steps=75, warm_up=50, learning_rate=2e-2)
    )
    """Stage 2, α_D."""

    lam: StageConfig = field(
        default_factory=lambda: StageConfig(steps=55, warm_up=35, learning_rate=2e-2)
    )
    """Stage 3, λ."""

    omega_learning_rate: float = 3e-2
    """Adam's learning rate of ω in the search (> 0)."""

    omega_steps: Steps = "relative"
    """Whether the learning rate is relative to the root mean square of each kernel or
    absolute."""

    lam_steps: Steps = "relative"
    """`relative`: steps of λ are proportional to each weight, which stays >= 0;
    `absolute`: plain Adam without a bound, as in the paper and its code."""

    outer_epsilon: float = 1e-12
    """Adam's ε for α and λ (> 0). The hypergradient of λ is proportional to ξ, about
    1e-6: the usual 1e-8 would damp it."""

    shrink: int = 2
    """Downsampling factor of the images while α is searched (>= 1)."""

    look_ahead_learning_rate: float = 1e-3
    """ξ, learning rate of the step to ω′ inside the hypergradient (> 0)."""

    hypergradient: HypergradientConfig = field(default_factory=HypergradientConfig)
    """Estimator of the hypergradient."""

    strategy: str = "auto"
    """How the run is searched: `auto`, `darts` where `network.operations` leaves a
    choice or an architecture is given, else `race`; `race`, real short trainings of
    candidates, which the better ones continue; `random`, whole trainings of random
    candidates; `optuna`, those that TPE and Hyperband of the package Optuna propose;
    `darts`, Algorithm 1 of the paper, by hypergradients; `perturbation` trains the same
    mixture and keeps on each edge the operation whose removal hurts most."""

    space: str = "macro"
    """What `race`, `random` and `optuna` may change: `macro`, sizes and wiring of the
    network, loss and training; `paper`, the operation of each edge and the weights of
    the loss; or a YAML file, see `autoreg search --help-space`."""

    trainings: float = 3.0
    """Cost of these strategies in trainings beyond the one that the run needs (> 0),
    by the time of a step: a dear candidate leaves less for others."""

    judge_pairs: int = 40
    """Validation pairs that judge their candidates (>= 2)."""

    workers: int = 1
    """Processes that train candidates at the same time (>= 1), on a share of the
    processors each."""

    joint: bool = False
    """Search α_F and α_D together in one stage with the settings of `feature`; those of
    `deformation` are ignored. λ always has a separate stage: it needs the network that
    α has chosen."""

    rounds: int = 1
    """Repetitions of all stages (>= 1). Later rounds start from the α and λ found so
    far, and search α with that λ; ω is always initialised again."""

    stop: StopConfig = field(default_factory=StopConfig)
    """Early stopping of the stages."""

    steps_per_call: int | None = None
    """Steps that the device does in one call, without the host (>= 1); null: 10, or 1
    on a CPU but for long runs of small problems. Progress, checkpoints and time limits
    act between two calls; records and results do not depend on it."""

    minutes: float | None = None
    """Time limit of the search (> 0; null: no limit). The remaining time is divided
    over the remaining stages in proportion to their steps. A stage ends when its time
    is over, but not before one update of its outer variable, and its warm-up takes at
    most the same share of its time as of its steps. Searches by trials take as many
    `trainings` as fit, by how long a step of the run takes."""

    judge: Judge = "auto"
    """Outer loss of λ on validation pairs: `dice`, overlap of label maps; `landmarks`,
    distance of corresponding points; `mind`, MIND similarity of the images with a
    penalty for folding, which needs neither; `auto`: `dice` if there are label maps,
    else `mind`; `none`: λ is not searched."""

    folding_budget: float = 0.005
    """Fraction of folded voxels that the judge `mind` does not penalise, in [0, 1)."""

    positive: Positive = "none"
    """Parameter that is optimised for λ: `exp`, its logarithm, or `softplus`, its
    inverse softplus, both of which keep λ positive; `none`, λ itself, see `lam_steps`.
    For λ well above 1 a step of `softplus` is a step of λ, so it needs a larger
    learning rate. `log_ratio`: the logarithms of the ratios to the first term, which
    stays, with one normaliser for all of them in place of Adam's one for each, so that
    a weight without influence rests."""

    lam_search: LamSearchConfig = field(default_factory=LamSearchConfig)
    """Search of λ with a longer horizon than one step."""

    perturbation: PerturbationConfig = field(default_factory=PerturbationConfig)
    """Settings of the strategy `perturbation`."""

    def __post_init__(self) -> None:
        check_range(self, "omega_learning_rate", "look_ahead_learning_rate", above=0)
        check_range(self, "shrink", "rounds", "workers", at_least=1)
        check_range(self, "steps_per_call", at_least=1)
        check_range(self, "judge_pairs", at_least=2)
        check_range(self, "minutes", "outer_epsilon", "trainings", above=0)
        check_range(self, "folding_budget", at_least=0, below=1)
        check_choice(self, "judge", typing.get_args(Judge))
        check_choice(self, "positive", typing.get_args(Positive))
        check_choice(self, "omega_steps", typing.get_args(Steps))
        check_choice(self, "lam_steps", typing.get_args(Steps))
        estimator = self.lam.hypergradient or self.hypergradient
        is_left_out = self.lam.steps == 0 or self.judge == "none"
        is_left_out = is_left_out or self.lam_search.method != "hypergradient"
        if estimator.name == "first_order" and not is_left_out:
            raise ConfigError(
                "lam.hypergradient: first_order is always zero for λ, on which the "
                "outer loss does not depend directly; choose another for this stage, "
                "e.g. search.lam.hypergradient.name=one_step_unroll, or set "
                "search.lam.steps=0 and search.lam.warm_up=0."
            )
