"""The displacement of a pair on one grid, and how well the images agree under it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from autoreg_jax.geometry import Volume
from autoreg_jax.inference._model import RegistrationModel
from autoreg_jax.inference.optimisation import SMOOTHNESS, register_pair
from autoreg_jax.losses import Objective, Similarity, local_ncc
from autoreg_jax.metrics import folding_fraction
from autoreg_jax.spatial import warp


def estimate(
    fixed: Array,
    moving: Array,
    model: RegistrationModel | None,
    *,
    spacing: tuple[float, ...],
    steps: int,
    learning_rate: float | None,
    similarity: str | Similarity | None,
    smoothness: float | None,
    **pair: Any,
) -> Array:
    """The displacement in voxels: predicted, optimised, or both.

    Args:
        fixed: `(1, *space, 1)`, intensities in [0, 1].
        moving: The same shape.
        model: None optimises from no motion.
        spacing: Of the grid, mm.
        steps: Of the optimisation at each resolution; 0 for none.
        learning_rate: Of the optimisation; None for the usual one.
        similarity: To optimise; None for that of the model, or the usual one.
        smoothness: Factor on the weight of the smoothness; None for the usual weight.
        **pair: Masks and guidance, see `register_pair`; only with steps.
    """
    if model is None and steps == 0:
        return jnp.zeros((*fixed.shape[:-1], len(spacing)), fixed.dtype)
    if steps and learning_rate is not None:
        pair["learning_rate"] = learning_rate
    if model is None:
        return register_pair(
            moving,
            fixed,
            jnp.asarray(spacing, fixed.dtype),
            num_iterations=steps,
            smoothness=SMOOTHNESS * (1.0 if smoothness is None else smoothness),
            similarity=similarity or Objective.similarity,
            **pair,
        ).displacement
    if steps == 0:
        return model(moving, fixed).displacements.full
    return model.refine(
        moving,
        fixed,
        steps=steps,
        similarity=similarity,
        smoothness=smoothness,
        **pair,
    ).displacement


@partial(jax.jit, static_argnames="window")
def correlations(
    fixed: Array, unaligned: Array, moving: Array, displacement: Array, *, window: int
) -> tuple[Array, Array, Array]:
    """Mean local correlation before and after, and the moved image, on one grid."""
    moved = warp(moving, displacement)
    return (
        jnp.mean(local_ncc(fixed, unaligned, window)),
        jnp.mean(local_ncc(fixed, moved, window)),
        moved,
    )


_folding_fraction = jax.jit(folding_fraction)
moved_mask = jax.jit(warp)


def folding(displacement_mm: Float[np.ndarray, "*space 3"], fixed: Volume) -> float:
    """Folding of the returned field, on the fixed grid."""
    to_voxels = np.linalg.inv(fixed.affine)[: fixed.ndim, :3].astype(np.float32)
    return float(_folding_fraction(jnp.asarray(displacement_mm @ to_voxels.T)[None]))
