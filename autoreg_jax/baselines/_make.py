"""Rivals by name."""

from typing import Any

from autoreg_jax.baselines._multipropreg import MultiPropReg
from autoreg_jax.baselines._voxelmorph import (
    BasicVoxelMorph,
    VoxelMorph,
    VoxelMorphDiff,
)

BASELINES = ("multipropreg", "voxelmorph", "voxelmorph_basic", "voxelmorph_diff")


def make_baseline(name: str, num_steps: int = 7) -> Any:
    """A network at its published size.

    Args:
        name: One of `BASELINES`.
        num_steps: Squarings, where it predicts a velocity.

    Returns:
        A Flax module, called as `networks.RegistrationNetwork` is.

    Raises:
        ValueError: If there is no such network.
    """
    if name not in BASELINES:
        raise ValueError(f"name must be one of {BASELINES}, got {name!r}.")
    if name == "multipropreg":
        return MultiPropReg(num_steps)
    if name == "voxelmorph_diff":
        return VoxelMorphDiff(num_steps)
    return VoxelMorph() if name == "voxelmorph" else BasicVoxelMorph()
