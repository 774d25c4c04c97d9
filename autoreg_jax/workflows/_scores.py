"""The scores of one pair under one displacement."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.data import Cohort
from autoreg_jax.inference import warp_labels
from autoreg_jax.losses import local_ncc_loss
from autoreg_jax.metrics import (
    dice,
    displacement_error,
    folding_fraction,
    log_jacobian_std,
)
from autoreg_jax.spatial import warp


class PairData(NamedTuple):
    """Two subjects and what is known about them, with a batch axis of 1.

    Attributes:
        moving, fixed: `(1, *space, 1)` in [0, 1].
        moving_labels, fixed_labels: `(1, *space)` class indices, or None.
        truth: `(1, *space, d)` voxels, or None.
        body: `(1, *space)`, where the fixed subject is: its labels, or its image.
    """

    moving: Any
    fixed: Any
    moving_labels: Any
    fixed_labels: Any
    truth: Any
    body: Any


def pair_of(cohort: Cohort, moving: int, fixed: int) -> PairData:
    """The pair of the given subjects as device arrays."""
    labels, truth = cohort.labels, None
    if cohort.velocity is not None:
        truth = jnp.asarray(cohort.true_displacement(moving, fixed)[None])
    image = cohort.images[fixed, ..., 0]
    return PairData(
        moving=jnp.asarray(cohort.images[moving][None]),
        fixed=jnp.asarray(cohort.images[fixed][None]),
        moving_labels=None if labels is None else jnp.asarray(labels[moving][None]),
        fixed_labels=None if labels is None else jnp.asarray(labels[fixed][None]),
        truth=truth,
        body=jnp.asarray((image if labels is None else labels[fixed])[None] > 0),
    )


@partial(jax.jit, static_argnames=("num_structures", "spacing", "window"))
def score(
    pair: PairData,
    displacement: Array,
    *,
    num_structures: int,
    spacing: tuple[float, ...],
    window: int,
) -> dict[str, Array]:
    """All scores that the pair allows.

    Args:
        pair: The subjects.
        displacement: `(1, *space, d)` in voxels; zeros for the state before.
        num_structures: Foreground classes.
        spacing: Size of a voxel, mm.
        window: Of the local correlation, voxels.

    Returns:
        `ncc` (mean local correlation, 0 to 1), `folding_fraction` of all voxels,
        `log_jacobian_std` in the body; with labels `dice` for each structure (NaN where
        both lack it); with the truth `displacement_error`, mean in the body, mm.
    """
    moved = warp(pair.moving, displacement)
    scores = {
        "ncc": -local_ncc_loss(pair.fixed, moved, window),
        "folding_fraction": folding_fraction(displacement),
        "log_jacobian_std": log_jacobian_std(displacement, pair.body),
    }
    if pair.fixed_labels is not None:
        labels = warp_labels(pair.moving_labels, displacement, num_structures + 1)
        scores["dice"] = dice(pair.fixed_labels, labels, num_structures + 1)
    if pair.truth is not None:
        scores["displacement_error"] = displacement_error(
            displacement, pair.truth, spacing, pair.body
        )
    return scores
