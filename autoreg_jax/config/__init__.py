"""The settings of a run: their names, defaults, ranges and YAML form."""

from autoreg_jax.config._presets import preset_names, preset_text
from autoreg_jax.config._schema import (
    EvaluateConfig,
    HypergradientConfig,
    NetworkConfig,
    ObjectiveConfig,
    RefineConfig,
    RunConfig,
    SearchConfig,
    StageConfig,
    TrainConfig,
)
from autoreg_jax.config._stopping import StopConfig
from autoreg_jax.config._yaml import dump, load, merge

__all__ = [
    "EvaluateConfig",
    "HypergradientConfig",
    "NetworkConfig",
    "ObjectiveConfig",
    "RefineConfig",
    "RunConfig",
    "SearchConfig",
    "StageConfig",
    "StopConfig",
    "TrainConfig",
    "dump",
    "load",
    "merge",
    "preset_names",
    "preset_text",
]
