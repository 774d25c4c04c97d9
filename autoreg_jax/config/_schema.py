"""Every setting of a run, with its default, its meaning and its range."""

import typing
from dataclasses import dataclass, field
from typing import Literal

from autoreg_jax.config._hypergradient import HypergradientConfig
from autoreg_jax.config._network import NetworkConfig, ObjectiveConfig
from autoreg_jax.config._pairs import PairsConfig
from autoreg_jax.config._quirks import QuirksConfig
from autoreg_jax.config._range import check_choice, check_range
from autoreg_jax.config._stopping import StopConfig
from autoreg_jax.config._training import EvaluateConfig, Steps, TrainConfig
from autoreg_jax.errors import ConfigError

Judge = Literal["auto", "dice", "landmarks", "mind", "none"]
Positive = Literal["none", "softplus", "exp"]


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One stage of Algorithm 1: the search of α_F, of α_D or of λ."""

    steps: int
    """Inner steps of the stage, one batch each (>= 0; 0 leaves the stage out)."""

    warm_up: int
    """First of the steps, in which only the weights ω move (>= 0, less than `steps`
    unless there are none)."""

    every: int = 1
    """The outer variable moves at every n-th step after the warm-up (>= 1)."""

    valid_pairs: int = 1
    """Validation pairs over which the outer loss of a move is averaged (>= 1)."""

    learning_rate: float
    """Adam's step of α, or of λ as `lam_steps` says (> 0)."""

    beta1: float = 0.5
    """Adam's decay of the first moment of the outer variable, in [0, 1)."""

    beta2: float = 0.999
    """Adam's decay of the second moment of the outer variable, in [0, 1)."""

    stop: StopConfig | None = None
    """When this stage ends early; null for the rules of the whole search."""

    omega_learning_rate: float | None = None
    """Adam's step of ω in this stage (> 0); null for that of the whole search."""

    look_ahead_learning_rate: float | None = None
    """ξ of this stage (> 0); null for that of the whole search."""

    hypergradient: HypergradientConfig | None = None
    """Estimator of this stage; null for that of the whole search."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "steps", "warm_up", at_least=0)
        check_range(self, "every", "valid_pairs", at_least=1)
        check_range(self, "learning_rate", above=0)
        check_range(self, "omega_learning_rate", "look_ahead_learning_rate", above=0)
        check_range(self, "beta1", "beta2", at_least=0, below=1)
        if self.warm_up >= max(self.steps, 1):
            raise ConfigError(
                f"warm_up: must be less than steps ({self.steps}), or nothing is "
                f"searched, got {self.warm_up}; a stage without steps has 0."
            )


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """Bilevel search, Algorithm 1: feature cells, deformation cells, loss weights."""

    # Half of each stage or more is warm-up (in the released code 15 of 45 epochs): α
    # means nothing before the mixture has learned to match. The outer steps are larger
    # than those of Sec. IV-A (1e-4 and 4e-3): these stages have dozens of them where
    # the paper has tens of thousands.
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
    """Adam's step of ω in the search (> 0)."""

    omega_steps: Steps = "relative"
    """Whether that is a part of the size of each kernel, or the step itself."""

    lam_steps: Steps = "relative"
    """Whether λ moves by a part of each weight and not below zero, or by the learning
    rate itself and without a bound, as in the paper and its code."""

    outer_epsilon: float = 1e-12
    """Adam's ε for α and λ (> 0). The hypergradient of λ carries the factor ξ and is of
    the order 1e-6: the usual 1e-8 would damp it."""

    shrink: int = 2
    """The images are made smaller by this factor while α is searched (>= 1)."""

    look_ahead_learning_rate: float = 1e-3
    """ξ, the size of the gradient step to ω′ inside the hypergradient (> 0)."""

    hypergradient: HypergradientConfig = field(default_factory=HypergradientConfig)
    """Estimator of the hypergradient."""

    joint: bool = False
    """Move α_F and α_D together in one stage, with the settings of `feature`; those of
    `deformation` are not used. λ follows in a stage of its own in any case: it needs
    the network that α has chosen."""

    rounds: int = 1
    """How often the stages are gone through (>= 1). Later rounds begin with the α and λ
    that were found, and their α learns under that λ; ω is always drawn anew."""

    stop: StopConfig = field(default_factory=StopConfig)
    """When a stage ends early."""

    minutes: float | None = None
    """Time for the search (> 0; null for any): what is left of it is divided over the
    stages that are left in proportion to their steps. A stage whose time is over ends,
    after one move of its outer variable at least, and its warm-up takes no larger part
    of its time than of its steps."""

    judge: Judge = "auto"
    """What judges λ on validation pairs: `dice` the overlap of label maps; `landmarks`
    the distance of corresponding points; `mind` the agreement of the images by MIND
    with a penalty for folding, which needs neither; `auto` is `dice` where there are
    label maps and else `mind`; `none` leaves λ as it is."""

    folding_budget: float = 0.005
    """Fraction of folded voxels that the judge `mind` allows free of charge, in
    [0, 1)."""

    positive: Positive = "none"
    """What moves for λ: `exp` and `softplus` its logarithm or inverse softplus, so it
    stays positive; `none` λ itself, each weight by a part of its size and not below
    zero. A step of `softplus` is one of λ where λ is well above 1, so its learning rate
    has to be larger."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "omega_learning_rate", "look_ahead_learning_rate", above=0)
        check_range(self, "shrink", "rounds", at_least=1)
        check_range(self, "minutes", "outer_epsilon", above=0)
        check_range(self, "folding_budget", at_least=0, below=1)
        check_choice(self, "judge", typing.get_args(Judge))
        check_choice(self, "positive", typing.get_args(Positive))
        check_choice(self, "omega_steps", typing.get_args(Steps))
        check_choice(self, "lam_steps", typing.get_args(Steps))
        estimator = self.lam.hypergradient or self.hypergradient
        is_left_out = self.lam.steps == 0 or self.judge == "none"
        if estimator.name == "first_order" and not is_left_out:
            raise ConfigError(
                "lam.hypergradient: first_order sees nothing of λ, which is no part of "
                "the outer loss; name another for this stage, for example "
                "search.lam.hypergradient.name=one_step_unroll, or set "
                "search.lam.steps=0 and search.lam.warm_up=0."
            )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """All settings of a run."""

    seed: int = 0
    """Seed of everything random: weights, pairs (>= 0)."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Size of the network."""

    pairs: PairsConfig = field(default_factory=PairsConfig)
    """Which subjects are moving and which fixed."""

    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """Unsupervised loss."""

    search: SearchConfig = field(default_factory=SearchConfig)
    """Bilevel search."""

    train: TrainConfig = field(default_factory=TrainConfig)
    """Training."""

    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    """Evaluation."""

    quirks: QuirksConfig = field(default_factory=QuirksConfig)
    """Properties of the published code, all off by default."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "seed", at_least=0)
        if self.quirks.deformation_only and self.search.joint:
            raise ConfigError(
                "quirks.deformation_only: leaves no feature cells to search.joint; set "
                "one of the two to false."
            )
