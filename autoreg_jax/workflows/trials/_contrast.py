"""Whether the images of the judged pairs have one contrast."""

import numpy as np
from jaxtyping import Float

from autoreg_jax.data import contrast_between
from autoreg_jax.workflows.trials._judging import Judging

# Pairs that have to have one contrast.
_MOST = 0.75
# Images are averaged to about so many blocks an axis.
_BLOCKS = {2: 32, 3: 16}


def usual_similarity(judging: Judging) -> str | None:
    """`ncc` where pairs have one contrast, `mind` where not; None if unknown."""
    images = judging.cohort.images
    found = []
    for moving, fixed in judging.pairs:
        contrast = contrast_between(_blocks(images[moving]), _blocks(images[fixed]))
        if contrast is not None:
            found.append(contrast.is_one)
    if not found:
        return None
    return "ncc" if np.mean(found) >= _MOST else "mind"


def _blocks(image: Float[np.ndarray, "*space 1"]) -> Float[np.ndarray, "*blocks"]:
    """Mean of each block of voxels; incomplete blocks at the end are dropped."""
    found = np.asarray(image)[..., 0]
    for axis in range(found.ndim):
        size = max(1, found.shape[axis] // _BLOCKS[found.ndim])
        count = found.shape[axis] // size
        found = np.moveaxis(found, axis, 0)[: count * size]
        found = found.reshape(count, size, *found.shape[1:]).mean(1)
        found = np.moveaxis(found, 0, axis)
    return found
