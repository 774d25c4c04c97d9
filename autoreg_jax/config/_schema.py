"""Every setting of a run, with its default, its meaning and its range."""

import typing
from dataclasses import dataclass, field
from typing import Literal

from autoreg_jax.config._hypergradient import HypergradientConfig
from autoreg_jax.config._range import check_choice, check_range
from autoreg_jax.errors import ConfigError

Precision = Literal["float32", "bfloat16"]
Similarity = Literal["ncc", "mind"]
Interpolation = Literal["linear", "cubic"]


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Size of the registration network."""

    width: float = 0.5
    """Factor on the number of channels of the published network (> 0)."""

    num_steps: int = 7
    """Squarings of the velocity field; the flow is cut into 2^num_steps (>= 1)."""

    matching: tuple[int, int] | None = (1, 2)
    """Radius of the matching of features at half and quarter resolution, voxels (>= 1);
    null for the network of the paper, which does not match."""

    precision: Precision = "float32"
    """Type of the convolutions; sums, losses and fields are float32 in any case.
    `bfloat16` is for accelerators: a CPU has no quick convolution of it."""

    rematerialise: bool = False
    """Compute the insides of a mixture again for its gradient instead of keeping them,
    for one more forward pass. On a CPU this saves no memory (measured); it is meant for
    accelerators, where it has not been measured."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "width", above=0)
        check_range(self, "num_steps", at_least=1)
        check_choice(self, "precision", typing.get_args(Precision))
        if self.matching is not None and min(self.matching) < 1:
            raise ConfigError(
                f"matching: must be null or at least 1, got {list(self.matching)}."
            )


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """Unsupervised loss, Eq. (4): where the search of λ starts."""

    similarity: Similarity = "ncc"
    """`ncc` for images of one contrast, `mind` for two."""

    windows: tuple[int, int, int] = (9, 7, 5)
    """Width of the NCC window at full, half and quarter resolution, voxels (odd)."""

    interpolation: Interpolation = "linear"
    """Of the moving image. `cubic` has no kinks at the voxels and costs more; only the
    loss uses it, results are interpolated linearly."""

    full: float = 10.0
    """λ1, weight of the similarity at full resolution (>= 0)."""

    smooth: float = 15.0
    """λ2, weight of the smoothness of the displacement (>= 0)."""

    half: float = 3.2
    """λ3, weight of the similarity at half resolution (>= 0)."""

    quarter: float = 0.8
    """λ4, weight of the similarity at quarter resolution (>= 0)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_choice(self, "similarity", typing.get_args(Similarity))
        check_choice(self, "interpolation", typing.get_args(Interpolation))
        check_range(self, "full", "smooth", "half", "quarter", at_least=0)
        if any(width < 1 or width % 2 == 0 for width in self.windows):
            raise ConfigError(
                f"windows: must be odd and >= 1, got {list(self.windows)}."
            )


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One stage of Algorithm 1: the search of α_F, of α_D or of λ."""

    steps: int
    """Inner steps of the stage, one batch each (>= 0; 0 leaves the stage out)."""

    warm_up: int
    """First steps in which only the weights ω move (>= 0, at most `steps`)."""

    every: int = 1
    """The outer variable moves at every n-th step after the warm-up (>= 1)."""

    learning_rate: float
    """Adam's step of α, or of each weight of λ relative to its size (> 0)."""

    beta1: float = 0.5
    """Adam's decay of the first moment of the outer variable, in [0, 1)."""

    beta2: float = 0.999
    """Adam's decay of the second moment of the outer variable, in [0, 1)."""

    hypergradient: HypergradientConfig | None = None
    """Estimator of this stage; null for that of the whole search."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "steps", "warm_up", at_least=0)
        check_range(self, "every", at_least=1)
        check_range(self, "learning_rate", above=0)
        check_range(self, "beta1", "beta2", at_least=0, below=1)
        if self.warm_up > self.steps:
            raise ConfigError(
                f"warm_up: must be at most steps ({self.steps}), got {self.warm_up}."
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
    """Adam's step of ω in the search, relative to the size of each kernel (> 0)."""

    shrink: int = 2
    """The images are made smaller by this factor while α is searched (>= 1)."""

    look_ahead_learning_rate: float = 1e-3
    """ξ, the size of the gradient step to ω′ inside the hypergradient (> 0)."""

    hypergradient: HypergradientConfig = field(default_factory=HypergradientConfig)
    """Estimator of the hypergradient."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "omega_learning_rate", "look_ahead_learning_rate", above=0)
        check_range(self, "shrink", at_least=1)
        judge = self.lam.hypergradient or self.hypergradient
        if self.lam.steps and judge.name == "first_order":
            raise ConfigError(
                "lam.hypergradient: first_order sees nothing of λ, which is no part of "
                "the outer loss; name another for this stage, for example "
                "search.lam.hypergradient.name=one_step_unroll, or set "
                "search.lam.steps=0 and search.lam.warm_up=0."
            )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Training of the network that the search has chosen, from scratch."""

    steps: int = 500
    """Steps, one batch each (>= 1)."""

    learning_rate: float = 3e-2
    """Adam's step relative to the root mean square of each kernel (> 0)."""

    batch_size: int = 1
    """Pairs in a step (>= 1)."""

    log_every: int = 10
    """Steps between two records (>= 1)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "steps", "batch_size", "log_every", at_least=1)
        check_range(self, "learning_rate", above=0)


@dataclass(frozen=True, kw_only=True)
class RefineConfig:
    """Optimisation of the velocity of one pair, started from the network's."""

    steps: int = 60
    """Gradient steps on the pair (>= 0; 0 leaves the refinement out)."""

    learning_rate: float = 0.1
    """Adam's learning rate of the velocity, voxels a step (> 0)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "steps", at_least=0)
        check_range(self, "learning_rate", above=0)


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Measurement on pairs that neither search nor training has seen."""

    pairs: int = 20
    """Pairs to register, spread evenly over the subjects (>= 1)."""

    split: str = "test"
    """Split of the data set from which the pairs are drawn."""

    refine: RefineConfig = field(default_factory=RefineConfig)
    """Refinement on each pair, reported beside the network alone."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "pairs", at_least=1)
        check_choice(self, "split", ("train", "validation", "test"))


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """All settings of a run."""

    seed: int = 0
    """Seed of everything random: weights, pairs (>= 0)."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Size of the network."""

    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """Unsupervised loss."""

    search: SearchConfig = field(default_factory=SearchConfig)
    """Bilevel search."""

    train: TrainConfig = field(default_factory=TrainConfig)
    """Training."""

    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    """Evaluation."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, "seed", at_least=0)
