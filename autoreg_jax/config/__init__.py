"""The settings of a run: their names, defaults, ranges and YAML form."""

from autoreg_jax.config._network import NetworkConfig, ObjectiveConfig
from autoreg_jax.config._pairs import PairsConfig
from autoreg_jax.config._plan import (
    GridConfig,
    IntensityConfig,
    PlanConfig,
    dump_plan,
    load_plan,
)
from autoreg_jax.config._presets import preset_names, preset_text
from autoreg_jax.config._quirks import QuirksConfig
from autoreg_jax.config._schema import (
    HypergradientConfig,
    RunConfig,
    SearchConfig,
    StageConfig,
)
from autoreg_jax.config._stopping import StopConfig
from autoreg_jax.config._terms import ExtraTermsConfig
from autoreg_jax.config._training import EvaluateConfig, RefineConfig, TrainConfig
from autoreg_jax.config._yaml import dump, load, merge, override

__all__ = [
    "EvaluateConfig",
    "ExtraTermsConfig",
    "GridConfig",
    "HypergradientConfig",
    "IntensityConfig",
    "NetworkConfig",
    "ObjectiveConfig",
    "PairsConfig",
    "PlanConfig",
    "QuirksConfig",
    "RefineConfig",
    "RunConfig",
    "SearchConfig",
    "StageConfig",
    "StopConfig",
    "TrainConfig",
    "dump",
    "dump_plan",
    "load",
    "load_plan",
    "merge",
    "override",
    "preset_names",
    "preset_text",
]
