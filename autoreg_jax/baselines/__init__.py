"""Rivals of the registration network: networks of other papers, and other programs.

The networks, in Flax, take the place of `networks.RegistrationNetwork` in training,
evaluation and registration, and their names that of the genotype: nothing in them is
searched. The programs stand in `adapters`, which run without JAX; so that they can, the
networks are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoreg_jax.baselines._make import BASELINES as BASELINES
    from autoreg_jax.baselines._make import make_baseline as make_baseline
    from autoreg_jax.baselines._multipropreg import MultiPropReg as MultiPropReg
    from autoreg_jax.baselines._voxelmorph import BasicVoxelMorph as BasicVoxelMorph
    from autoreg_jax.baselines._voxelmorph import VoxelMorph as VoxelMorph
    from autoreg_jax.baselines._voxelmorph import VoxelMorphDiff as VoxelMorphDiff

__all__ = [
    "BASELINES",
    "BasicVoxelMorph",
    "MultiPropReg",
    "VoxelMorph",
    "VoxelMorphDiff",
    "make_baseline",
]

_PLACES = {
    "BASELINES": "_make",
    "BasicVoxelMorph": "_voxelmorph",
    "MultiPropReg": "_multipropreg",
    "VoxelMorph": "_voxelmorph",
    "VoxelMorphDiff": "_voxelmorph",
    "make_baseline": "_make",
}


def __getattr__(name: str) -> Any:
    """Load a network on first use.

    Raises:
        AttributeError: If `name` is not public.
    """
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
