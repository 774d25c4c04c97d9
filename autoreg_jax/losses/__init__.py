"""What registration minimises: similarity, smoothness, overlap and their weighted sum.

Every `*_loss` is minimised. A loss is the mean over the batch; images are
`(b, *space, c)` with intensities in [0, 1], displacements are in voxels.
"""

from autoreg_jax.losses._agreement import agreement_loss as agreement_loss
from autoreg_jax.losses._agreement import landmark_loss as landmark_loss
from autoreg_jax.losses._agreement import soft_folding_fraction as soft_folding_fraction
from autoreg_jax.losses._mind import mind_descriptor as mind_descriptor
from autoreg_jax.losses._mind import mind_loss as mind_loss
from autoreg_jax.losses._mutual_information import (
    mutual_information as mutual_information,
)
from autoreg_jax.losses._ncc import global_ncc as global_ncc
from autoreg_jax.losses._ncc import local_ncc as local_ncc
from autoreg_jax.losses._ncc import local_ncc_loss as local_ncc_loss
from autoreg_jax.losses._objective import PAPER_WEIGHTS as PAPER_WEIGHTS
from autoreg_jax.losses._objective import Objective as Objective
from autoreg_jax.losses._objective import Terms as Terms
from autoreg_jax.losses._objective import Weights as Weights
from autoreg_jax.losses._objective import in_order as in_order
from autoreg_jax.losses._objective import registration_loss as registration_loss
from autoreg_jax.losses._objective import segmentation_loss as segmentation_loss
from autoreg_jax.losses._overlap import one_hot as one_hot
from autoreg_jax.losses._overlap import soft_dice as soft_dice
from autoreg_jax.losses._overlap import soft_dice_loss as soft_dice_loss
from autoreg_jax.losses._similarity import SIMILARITIES as SIMILARITIES
from autoreg_jax.losses._similarity import Similarity as Similarity
from autoreg_jax.losses._similarity import find_similarity as find_similarity
from autoreg_jax.losses._smoothness import bending_loss as bending_loss
from autoreg_jax.losses._smoothness import diffusion_loss as diffusion_loss
from autoreg_jax.losses._terms import TERMS as TERMS
from autoreg_jax.losses._terms import Term as Term
from autoreg_jax.losses._terms import TermInputs as TermInputs

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
    "diffusion_loss",
    "find_similarity",
    "global_ncc",
    "in_order",
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
