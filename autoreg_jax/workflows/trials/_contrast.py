"""Whether the images of the judged pairs have one contrast."""

import numpy as np
from jaxtyping import Float

from autoreg_jax.workflows.trials._judging import Judging

# First quartile of the correlation of grey values, after averaging to this many blocks
# an axis: 0.49 to 0.87 on four datasets of one contrast, 0.20 between T1 and T2.
_BLOCKS, _ALIKE = 16, 0.35
# Blocks darker than this are background, and fewer blocks than these say nothing.
_DARK, _FEWEST = 0.1, 30


def usual_similarity(judging: Judging) -> str | None:
    """`ncc` where pairs have one contrast, `mind` where not; None if unknown."""
    images = judging.cohort.images
    found = []
    for moving, fixed in judging.pairs:
        one, other = _blocks(images[moving]), _blocks(images[fixed])
        both = (one > _DARK) & (other > _DARK)
        if both.sum() < _FEWEST or not (np.ptp(one[both]) and np.ptp(other[both])):
            continue
        found.append(float(np.corrcoef(one[both], other[both])[0, 1]))
    if not found:
        return None
    return "ncc" if np.quantile(found, 0.25) >= _ALIKE else "mind"


def _blocks(image: Float[np.ndarray, "*space 1"]) -> Float[np.ndarray, "*blocks"]:
    """Mean of each block of voxels; incomplete blocks at the end are dropped."""
    found = np.asarray(image)[..., 0]
    for axis in range(found.ndim):
        size = max(1, found.shape[axis] // _BLOCKS)
        count = found.shape[axis] // size
        found = np.moveaxis(found, axis, 0)[: count * size]
        found = found.reshape(count, size, *found.shape[1:]).mean(1)
        found = np.moveaxis(found, 0, axis)
    return found
