"""Rivals of the registration network: networks of other papers, and other programs.

The networks, in Flax, replace `networks.RegistrationNetwork` in training, evaluation
and registration. The programs are in `adapters`, which must run without JAX; therefore
the networks are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoreg_jax.baselines._networks import NETWORKS as NETWORKS
    from autoreg_jax.baselines._networks import BasicVoxelMorph as BasicVoxelMorph
    from autoreg_jax.baselines._networks import MultiPropReg as MultiPropReg
    from autoreg_jax.baselines._networks import VoxelMorph as VoxelMorph
    from autoreg_jax.baselines._networks import VoxelMorphDiff as VoxelMorphDiff

__all__ = [
    "NETWORKS",
    "BasicVoxelMorph",
    "MultiPropReg",
    "VoxelMorph",
    "VoxelMorphDiff",
]


def __getattr__(name: str) -> Any:
    """Load the networks on first use.

    Raises:
        AttributeError: If `name` is not public.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}._networks"), name)
