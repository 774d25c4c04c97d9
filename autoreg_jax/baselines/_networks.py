"""Rival networks by name."""

from collections.abc import Mapping
from typing import Any

from autoreg_jax.baselines._multipropreg import MultiPropReg
from autoreg_jax.baselines._voxelmorph import (
    BasicVoxelMorph,
    VoxelMorph,
    VoxelMorphDiff,
)

# Constructors at the published size; the argument is `num_steps`, the squarings of a
# velocity. The modules are called as `networks.RegistrationNetwork` is.
NETWORKS: Mapping[str, type[Any]] = {
    "multipropreg": MultiPropReg,
    "voxelmorph": VoxelMorph,
    "voxelmorph_basic": BasicVoxelMorph,
    "voxelmorph_diff": VoxelMorphDiff,
}
