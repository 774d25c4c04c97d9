"""Criteria by which λ is chosen: losses of validation pairs and their displacement."""

from collections.abc import Callable

from jax import Array

from autoreg_jax.losses import agreement_loss, landmark_loss, segmentation_loss
from autoreg_jax.search._batch import PairBatch

Judge = Callable[[PairBatch, Array], Array]
"""`(batch, displacement) -> scalar`, the displacement at full resolution, in voxels."""


def overlap_judge(
    smoothness_weight: float = 0.0, smoothness_target: float = 0.01
) -> Judge:
    """L_seg of Eq. (5), the overlap of label maps; batches need one-hot labels.

    Args:
        smoothness_weight: See `losses.segmentation_loss`.
        smoothness_target: See `losses.segmentation_loss`.
    """

    def judge(batch: PairBatch, displacement: Array) -> Array:
        return segmentation_loss(
            batch.fixed_labels,
            batch.moving_labels,
            displacement,
            smoothness_weight=smoothness_weight,
            smoothness_target=smoothness_target,
        )

    return judge


def landmark_judge() -> Judge:
    """The distance of corresponding landmarks, in voxels; batches need them."""

    def judge(batch: PairBatch, displacement: Array) -> Array:
        return landmark_loss(
            batch.fixed_landmarks, batch.moving_landmarks, displacement
        )

    return judge


def agreement_judge(folding_budget: float = 0.005) -> Judge:
    """MIND and folds above a budget, see `losses.agreement_loss`; needs images alone.

    Args:
        folding_budget: Fraction of folded voxels that is free of charge.
    """

    def judge(batch: PairBatch, displacement: Array) -> Array:
        return agreement_loss(batch.fixed, batch.moving, displacement, folding_budget)

    return judge
