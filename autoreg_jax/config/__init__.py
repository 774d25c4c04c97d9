"""The settings of a run: their names, defaults, ranges and YAML form."""

from autoreg_jax.config._augment import AugmentConfig, Chance
from autoreg_jax.config._data import DataConfig, Storage
from autoreg_jax.config._divergence import DivergenceConfig
from autoreg_jax.config._hypergradient import HypergradientConfig
from autoreg_jax.config._lam_search import LamSearchConfig
from autoreg_jax.config._load import (
    dump,
    load,
    merge,
    override,
    preset_names,
    preset_text,
)
from autoreg_jax.config._mesh import MeshConfig
from autoreg_jax.config._network import (
    EvaluateConfig,
    ExtraTermsConfig,
    ObjectiveConfig,
    PairsConfig,
    RefineConfig,
    RefineSearchConfig,
)
from autoreg_jax.config._perturbation import PerturbationConfig
from autoreg_jax.config._plan import (
    GridConfig,
    Intensity,
    PlanConfig,
    dump_plan,
    load_plan,
)
from autoreg_jax.config._quirks import QuirksConfig
from autoreg_jax.config._registration_network import NetworkConfig
from autoreg_jax.config._run import RunConfig
from autoreg_jax.config._search import (
    SearchConfig,
    StageConfig,
    StopConfig,
)
from autoreg_jax.config._train import TrainConfig
from autoreg_jax.config._yaml import build, convert, parse

__all__ = [
    "AugmentConfig",
    "Chance",
    "DataConfig",
    "DivergenceConfig",
    "EvaluateConfig",
    "ExtraTermsConfig",
    "GridConfig",
    "HypergradientConfig",
    "Intensity",
    "LamSearchConfig",
    "MeshConfig",
    "NetworkConfig",
    "ObjectiveConfig",
    "PairsConfig",
    "PerturbationConfig",
    "PlanConfig",
    "QuirksConfig",
    "RefineConfig",
    "RefineSearchConfig",
    "RunConfig",
    "SearchConfig",
    "StageConfig",
    "StopConfig",
    "Storage",
    "TrainConfig",
    "build",
    "convert",
    "dump",
    "dump_plan",
    "load",
    "load_plan",
    "merge",
    "override",
    "parse",
    "preset_names",
    "preset_text",
]
