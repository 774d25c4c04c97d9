"""All settings of a run."""

from dataclasses import dataclass, field

from autoreg_jax.config._data import DataConfig
from autoreg_jax.config._divergence import DivergenceConfig
from autoreg_jax.config._mesh import MeshConfig
from autoreg_jax.config._network import (
    EvaluateConfig,
    ObjectiveConfig,
    PairsConfig,
)
from autoreg_jax.config._quirks import QuirksConfig
from autoreg_jax.config._range import check_range
from autoreg_jax.config._registration_network import NetworkConfig
from autoreg_jax.config._search import SearchConfig
from autoreg_jax.config._train import TrainConfig
from autoreg_jax.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """All settings of a run."""

    seed: int = 0
    """Seed of all random numbers: weights, pairs (>= 0)."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Network."""

    pairs: PairsConfig = field(default_factory=PairsConfig)
    """Which subjects may be moving or fixed."""

    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """Unsupervised loss."""

    search: SearchConfig = field(default_factory=SearchConfig)
    """Bilevel search."""

    train: TrainConfig = field(default_factory=TrainConfig)
    """Training."""

    divergence: DivergenceConfig = field(default_factory=DivergenceConfig)
    """What is done where search or training diverges."""

    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    """Evaluation."""

    data: DataConfig = field(default_factory=DataConfig)
    """Where images are kept."""

    mesh: MeshConfig = field(default_factory=MeshConfig)
    """Devices."""

    quirks: QuirksConfig = field(default_factory=QuirksConfig)
    """Properties of the published code, all off by default."""

    def __post_init__(self) -> None:
        check_range(self, "seed", at_least=0)
        is_consistent = self.objective.extra.inverse_consistency is not None
        if is_consistent and self.train.directions != "both":
            raise ConfigError(
                "objective.extra.inverse_consistency: compares the two directions of "
                f"a pair, but train.directions is {self.train.directions}; set it to "
                "both."
            )
        if self.quirks.deformation_only and self.search.joint:
            raise ConfigError(
                "quirks.deformation_only: excludes search.joint, which needs feature "
                "cells; set one of the two to false."
            )
        self._check_conditions()
        if self.evaluate.refine.search.moves and self.search.judge == "none":
            raise ConfigError(
                "evaluate.refine.search.moves: needs a judge, but search.judge is "
                "none; set it to auto."
            )
        network = self.network
        if self.quirks.second_integration and network.resolution == "full":
            raise ConfigError(
                "quirks.second_integration: integrates what was resized from half "
                "resolution; set network.resolution to half."
            )
        published = (network.encoder, network.scales, network.feature_edges)
        if self.quirks.deformation_only and published != ("strided", 2, 3):
            raise ConfigError(
                "quirks.deformation_only: the fixed feature cells are those of two "
                "strided scales with three operations; leave network.encoder, "
                "network.scales and network.feature_edges at their defaults."
            )

    def _check_conditions(self) -> None:
        """Refuse to tell a network the weight of a term that the loss has not."""
        weights = {**vars(self.objective), **vars(self.objective.extra)}
        known = [
            name
            for name, weight in weights.items()
            if isinstance(weight, float | int) and weight > 0
        ]
        for name in self.network.conditions or ():
            if name not in known:
                raise ConfigError(
                    "network.conditions: must be terms with a weight above 0, which "
                    f"are {', '.join(known)}, got {name}."
                )
