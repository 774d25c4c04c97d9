"""The scores of one pair under one displacement."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from autoreg_jax.data import Cohort
from autoreg_jax.inference import warp_labels
from autoreg_jax.losses import local_ncc_loss
from autoreg_jax.metrics import (
    correlation,
    dice,
    displacement_error,
    folding_fraction,
    learn2reg_log_jacobian_std,
    log_jacobian_std,
    surface_distances,
    target_registration_error,
)
from autoreg_jax.spatial import warp


class PairData(NamedTuple):
    """Two subjects with a batch axis of 1.

    Attributes:
        moving, fixed: `(1, *space, 1)` in [0, 1].
        moving_labels, fixed_labels: `(1, *space)` class indices, or None.
        moving_landmarks, fixed_landmarks: `(1, k, d)` voxels, or None.
        truth: `(1, *space, d)` voxels, or None.
        body: `(1, *space)`, foreground of the labels, else of the image, of the fixed
            subject.
    """

    moving: Any
    fixed: Any
    moving_labels: Any
    fixed_labels: Any
    moving_landmarks: Any
    fixed_landmarks: Any
    truth: Any
    body: Any


def pair_of(cohort: Cohort, moving: int, fixed: int) -> PairData:
    """Two subjects of a cohort as device arrays."""
    labels, landmarks, truth = cohort.labels, cohort.landmarks, None
    if cohort.velocity is not None:
        truth = jnp.asarray(cohort.true_displacement(moving, fixed)[None])
    image = cohort.images[fixed, ..., 0]

    def of(array: Any, subject: int) -> Array | None:
        return None if array is None else jnp.asarray(array[subject][None])

    return PairData(
        moving=jnp.asarray(cohort.images[moving][None]),
        fixed=jnp.asarray(cohort.images[fixed][None]),
        moving_labels=of(labels, moving),
        fixed_labels=of(labels, fixed),
        moving_landmarks=of(landmarks, moving),
        fixed_landmarks=of(landmarks, fixed),
        truth=truth,
        body=jnp.asarray((image if labels is None else labels[fixed])[None] > 0),
    )


def score(
    pair: PairData,
    displacement: Array,
    *,
    num_structures: int,
    spacing: Sequence[float],
    window: int,
) -> dict[str, np.ndarray]:
    """All scores for which the pair has data.

    Args:
        pair: The subjects.
        displacement: `(1, *space, d)` in voxels; zeros before registration.
        num_structures: Number of foreground classes.
        spacing: Voxel size, mm.
        window: Window of the local correlation, voxels.

    Returns:
        `ncc` (mean local correlation, 0 to 1), `correlation` in the body,
        `folding_fraction` of all voxels, `log_jacobian_std` in the body,
        `learn2reg_log_jacobian_std` of all voxels. With labels `dice`, `hd95` and
        `assd` (mm) of each structure, NaN if it is in neither map or, for the
        distances, missing in one. With landmarks `tre` of each, mm; with the truth
        `displacement_error`, mean in the body, mm.
    """
    scores, labels = _score(
        pair,
        displacement,
        num_structures=num_structures,
        spacing=tuple(spacing),
        window=window,
    )
    found = {name: np.asarray(value) for name, value in scores.items()}
    if labels is not None:
        distances = surface_distances(
            np.asarray(pair.fixed_labels[0]),
            np.asarray(labels[0]),
            num_structures + 1,
            spacing,
        )
        found |= distances._asdict()
    return found


@partial(jax.jit, static_argnames=("num_structures", "spacing", "window"))
def _score(
    pair: PairData,
    displacement: Array,
    *,
    num_structures: int,
    spacing: tuple[float, ...],
    window: int,
) -> tuple[dict[str, Array], Array | None]:
    """Scores computed on the device, and the moved labels."""
    moved, labels = warp(pair.moving, displacement), None
    body = pair.body
    scores = {
        "ncc": -local_ncc_loss(pair.fixed, moved, window),
        "correlation": correlation(pair.fixed, moved, body[..., None]),
        "folding_fraction": folding_fraction(displacement),
        "log_jacobian_std": log_jacobian_std(displacement, body),
        "learn2reg_log_jacobian_std": learn2reg_log_jacobian_std(displacement),
    }
    if pair.fixed_labels is not None:
        labels = warp_labels(pair.moving_labels, displacement, num_structures + 1)
        scores["dice"] = dice(pair.fixed_labels, labels, num_structures + 1)
    if pair.fixed_landmarks is not None:
        scores["tre"] = target_registration_error(
            displacement, pair.fixed_landmarks, pair.moving_landmarks, spacing
        )
    if pair.truth is not None:
        scores["displacement_error"] = displacement_error(
            displacement, pair.truth, spacing, body
        )
    return scores, labels
