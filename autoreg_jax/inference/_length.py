"""Whether a displacement can be one of the image that it is of."""

import numpy as np
from jaxtyping import Float

from autoreg_jax.errors import NonFiniteError
from autoreg_jax.geometry import Volume


def check_length(
    displacement_mm: Float[np.ndarray, "*space 3"], fixed: Volume, moving: Volume
) -> None:
    """Refuse a displacement that is not finite, or longer than the images.

    Raises:
        NonFiniteError: If it is, or if a vector is longer than the diagonals of both
            images together: from one end of one to the other end of the other.
    """
    longest = float(np.linalg.norm(displacement_mm, axis=-1).max())
    possible = sum(_diagonal(image) for image in (fixed, moving))
    if longest <= possible:
        return
    what = f"is up to {longest:.3g} mm long, the images are {possible:.3g} mm"
    if not np.isfinite(longest):
        what = "is not finite"
    raise NonFiniteError(
        f"{fixed.path or 'fixed'} and {moving.path or 'moving'}: the displacement "
        f"{what}; use a smaller learning rate, or train the model again."
    )


def _diagonal(image: Volume) -> float:
    return float(np.linalg.norm(np.multiply(image.array.shape, image.spacing)))
