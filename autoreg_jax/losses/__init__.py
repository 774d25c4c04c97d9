"""What registration minimises: similarity, smoothness, overlap and their weighted sum.

Every `*_loss` is minimised. A loss is the mean over the batch; images are
`(b, *space, c)` with intensities in [0, 1], displacements are in voxels.
"""

from autoreg_jax.losses._agreement import (
    agreement_loss,
    common_dice_loss,
    landmark_loss,
    one_hot,
    soft_dice,
    soft_dice_loss,
    soft_folding_fraction,
)
from autoreg_jax.losses._channels import channel_similarity
from autoreg_jax.losses._consistency import inverse_consistency_loss
from autoreg_jax.losses._mind import mind_descriptor, mind_loss
from autoreg_jax.losses._mutual_information import mutual_information
from autoreg_jax.losses._ncc import global_ncc, local_ncc, local_ncc_loss
from autoreg_jax.losses._objective import (
    PAPER_WEIGHTS,
    Objective,
    Terms,
    Weights,
    in_order,
    registration_loss,
    segmentation_loss,
)
from autoreg_jax.losses._similarity import (
    SIMILARITIES,
    Similarity,
    feature_similarity,
    find_similarity,
)
from autoreg_jax.losses._smoothness import bending_loss, diffusion_loss
from autoreg_jax.losses._terms import TERMS, Term, TermInputs, image_terms

__all__ = [
    "PAPER_WEIGHTS",
    "SIMILARITIES",
    "TERMS",
    "Objective",
    "Similarity",
    "Term",
    "TermInputs",
    "Terms",
    "Weights",
    "agreement_loss",
    "bending_loss",
    "channel_similarity",
    "common_dice_loss",
    "diffusion_loss",
    "feature_similarity",
    "find_similarity",
    "global_ncc",
    "image_terms",
    "in_order",
    "inverse_consistency_loss",
    "landmark_loss",
    "local_ncc",
    "local_ncc_loss",
    "mind_descriptor",
    "mind_loss",
    "mutual_information",
    "one_hot",
    "registration_loss",
    "segmentation_loss",
    "soft_dice",
    "soft_dice_loss",
    "soft_folding_fraction",
]
