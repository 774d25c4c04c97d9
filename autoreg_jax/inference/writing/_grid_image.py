"""A picture of a deformation: a grid that was deformed with the moving image."""

import numpy as np
from jaxtyping import Float, UInt8

from autoreg_jax.geometry import Grid

__all__ = ["grid_image"]

# Between two lines, and standard deviation of a line, in voxels.
_STEP, _WIDTH = 8, 0.5


def grid_image(
    displacement: Float[np.ndarray, "*space 3"], fixed: Grid, moving: Grid
) -> UInt8[np.ndarray, "*space"]:
    """A grid of Gaussian lines, as ITK's `GridImageSource` draws it, at φ(x).

    Its value is 255 ∏ (1 - exp(-d² / 2σ²)), where d is the distance to the next line
    across each axis of the moving image. It is evaluated, not interpolated.

    Args:
        displacement: u of φ(x) = x + u(x) at the voxels of the fixed image, mm, RAS+.
        fixed: The grid of the fixed image, on which the picture is.
        moving: The grid of the moving image, whose axes the lines follow; one goes
            through its first voxel.

    Returns:
        0 on the lines, 255 far from them.
    """
    # A voxel of the fixed image in voxels of the moving one: the coarser ones count.
    across = np.abs(fixed.index_matrix(moving)[:-1, :-1]).max(1)
    size = np.maximum(across, 1)
    found = np.empty(fixed.shape, np.uint8)
    for plane, vectors in enumerate(displacement):
        points = fixed.points(plane, plane + 1)[0]
        distance = moving.to_voxels(points + vectors) / size
        distance -= _STEP * np.rint(distance / _STEP)
        value = np.prod(1 - np.exp(-0.5 * (distance / _WIDTH) ** 2), axis=-1)
        found[plane] = np.rint(255 * value)
    return found
