"""The trust of an evaluated pair, as `register` gives it to one of its own."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from autoreg_jax.data import Cohort
from autoreg_jax.inference import Trust
from autoreg_jax.inference.trust import evidence_of

# What is said of a pair that cannot be measured.
NOT_FINITE = "its displacement has values that are not numbers"


def trust_of(
    cohort: Cohort,
    moving: int,
    fixed: int,
    displacement: Float[np.ndarray, "1 *space d"],
    folding: float,
) -> Trust | None:
    """Measure a registered pair by its images alone; its labels are not looked at.

    Whether the header of an image is right is not asked: by chance a mirror image often
    fits a little better before the registration, and where hundreds of pairs are
    measured such alarms would hide the others.

    Args:
        cohort: The subjects, grey values from 0 to 1.
        moving: Index of the moving subject.
        fixed: Index of the fixed subject.
        displacement: The final one, voxels.
        folding: Share of the voxels where it folds.

    Returns:
        The trust; None if the displacement is not finite.
    """
    images = cohort.images
    evidence = evidence_of(
        jnp.asarray(images[fixed][None]),
        jnp.asarray(images[moving][None]),
        jnp.asarray(displacement),
        (None, None),
        tuple(cohort.spacing),
    )
    if evidence is None:
        return None
    return Trust(replace(evidence, folding=folding, mirrored=0.0))
