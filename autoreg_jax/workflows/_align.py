"""Where images lie before the deformable registration."""

import numpy as np
from jaxtyping import Float

from autoreg_jax.data import Align, Volume, content_of


def make_align(kind: str, reference: Volume) -> Align | None:
    """What brings the images of a run to the position of the reference.

    The one place where alignment enters a run. So far both kinds move the centre of
    mass of an image onto that of the reference and turn nothing.

    Args:
        kind: `none`, `rigid` or `affine`, from the plan.
        reference: The image at whose position the working grid lies.

    Returns:
        The matrix of an image, world of the grid to world of the image, mm; None where
        the headers are to be trusted.
    """
    if kind == "none":
        return None
    centre = content_of(reference).centre

    def align(image: Volume) -> Float[np.ndarray, "4 4"]:
        matrix = np.eye(4)
        matrix[:3, 3] = content_of(image).centre - centre
        return matrix

    return align
