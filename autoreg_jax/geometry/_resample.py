"""Brings a volume to another grid of the same world."""

import numpy as np
from jaxtyping import Float, Num
from scipy import ndimage

from autoreg_jax.geometry._volume import Volume

__all__ = ["index_matrix", "resample"]

# A hundredth of a voxel is rounding, not a coarser grid.
_SAME_SPACING = 0.01
# Full width at half maximum of a Gaussian in units of its standard deviation.
_FWHM = 2.355


def resample(
    volume: Volume,
    shape: tuple[int, ...],
    affine: Float[np.ndarray, "4 4"],
    *,
    order: int = 1,
) -> Num[np.ndarray, "*space"]:
    """A volume on another grid of the same world; itself, if it is on that grid.

    Where the new grid is coarser an image is smoothed first, to the width of a new
    voxel, so that thin structures do not turn into noise.

    Args:
        volume: The image, or a label map.
        shape: Of the grid.
        affine: Of the grid.
        order: 1 for an image, linear; 0 for a label map, the nearest voxel.

    Returns:
        Array of the given shape and the type of the volume, zero outside of it.
    """
    if volume.shape == shape and np.allclose(volume.affine, affine, atol=1e-4):
        return volume.array
    matrix = index_matrix(volume, affine)
    step = np.linalg.norm(matrix[:-1, :-1], axis=1)
    sigma = np.sqrt(np.maximum(step**2 - 1, 0)) / _FWHM
    array = volume.array
    if order and np.any(step > 1 + _SAME_SPACING):
        array = ndimage.gaussian_filter(array, sigma, mode="nearest", truncate=3)
    return ndimage.affine_transform(
        array, matrix, output_shape=shape, order=order, mode="grid-constant"
    )


def index_matrix(
    volume: Volume, affine: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, "d+1 d+1"]:
    """Homogeneous matrix from indices of a grid to indices of a volume."""
    used = [*range(volume.ndim), 3]
    return (np.linalg.inv(volume.affine) @ affine)[np.ix_(used, used)]
