"""Where images lie before the deformable registration."""

import logging
from typing import Literal

import numpy as np
from jaxtyping import Float

from autoreg_jax import alignment
from autoreg_jax.data import Align, Volume

logger = logging.getLogger(__name__)


def make_align(
    kind: Literal["none", "rigid", "affine"], reference: Volume
) -> Align | None:
    """What brings the images of a run to the position of the reference.

    Args:
        kind: From the plan.
        reference: The image at whose position the working grid lies.

    Returns:
        The matrix of an image, world of the grid to world of the image, mm; None where
        the headers are to be trusted. An alignment that is not to be trusted is used
        and reported.
    """
    if kind == "none":
        return None

    def align(image: Volume) -> Float[np.ndarray, "4 4"]:
        if image.path is not None and image.path == reference.path:
            return np.eye(4)
        found = alignment.align(reference, image, kind=kind)
        if not found.is_trusted:
            place = image.path or "an image"
            logger.warning("%s: its alignment is not trusted: %s.", place, found.reason)
        return found.matrix

    return align
