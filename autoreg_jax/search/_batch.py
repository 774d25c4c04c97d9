"""What a step of the search is given: image pairs and what belongs to them."""

from typing import Any, NamedTuple


class PairBatch(NamedTuple):
    """A batch of image pairs.

    Attributes:
        moving: Images `(b, *space, 1)`.
        fixed: Images `(b, *space, 1)`.
        moving_labels: One-hot labels `(b, *space, k)`, or None where not needed.
        fixed_labels: The same of the fixed images.
        lam: Weights of L_reg for this batch, or None for those of the problem: an
            argument of a program that serves every λ, where a constant needs one each.
        moving_landmarks: Points `(b, k, d)`, voxels, or None where not needed.
        fixed_landmarks: The corresponding points of the fixed images.
    """

    moving: Any
    fixed: Any
    moving_labels: Any = None
    fixed_labels: Any = None
    lam: Any = None
    moving_landmarks: Any = None
    fixed_landmarks: Any = None
