"""From voxels to millimetres and back: working grids and resampling in world space."""

import nibabel
import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff
from scipy import ndimage

from autoreg_jax.data import Volume


def world_coordinates(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """World position of every voxel of a grid.

    Args:
        shape: `(x, y, z)`, or `(x, y)` for an image in the plane k = 0.
        affine: Voxel to world, 4 × 4, mm, RAS+.

    Returns:
        `(*shape, 3)` in mm.
    """
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    return index @ affine[:3, : len(shape)].T + affine[:3, 3]


def sample_world(volume: Volume, points: np.ndarray, order: int = 1) -> np.ndarray:
    """Values of a volume at world positions, zero outside of it.

    Args:
        volume: Image (`order` 1) or labels (`order` 0).
        points: `(..., 3)` in mm, RAS+.
        order: Degree of the interpolation.

    Returns:
        `(...)` in the type of the volume.
    """
    inverse = np.linalg.inv(volume.affine)
    index = points @ inverse[: volume.ndim, :3].T + inverse[: volume.ndim, 3]
    return ndimage.map_coordinates(
        volume.array, np.moveaxis(index, -1, 0), order=order, mode="constant"
    )


def working_grid(
    fixed: Volume, orientation: str, spacing: tuple[float, ...]
) -> tuple[tuple[int, ...], np.ndarray]:
    """The grid on which the network sees a pair.

    It covers the field of view of the fixed image in the orientation and at the spacing
    that the network was trained with. A fixed image that has both is its own grid.

    Args:
        fixed: The fixed image.
        orientation: Three letters, as "RAS", of the training images.
        spacing: Of the training images in mm, one for each axis.

    Returns:
        Shape and voxel-to-world affine.
    """
    shape, affine = fixed.shape, fixed.affine
    if fixed.ndim == 3:
        start = nibabel.io_orientation(affine)
        turn = nibabel.orientations.ornt_transform(
            start, nibabel.orientations.axcodes2ornt(tuple(orientation))
        )
        shape = apply_orientation(np.empty(shape, np.uint8), turn).shape
        affine = affine @ inv_ornt_aff(turn, fixed.shape)
    lengths = np.linalg.norm(affine[:3, : len(shape)], axis=0)
    factor = np.asarray(spacing) / lengths
    if np.allclose(factor, 1, atol=0.01):
        return tuple(map(int, shape)), affine
    extent = np.asarray(shape) / factor
    new_shape = np.maximum(np.ceil(extent - 1e-6), 1).astype(int)
    new_affine = affine.copy()
    new_affine[:3, : len(shape)] *= factor
    # The field of view begins half a voxel before the first centre and stays centred.
    corner = 0.5 * (np.asarray(shape) - new_shape * factor) + 0.5 * (factor - 1)
    new_affine[:3, 3] += affine[:3, : len(shape)] @ corner
    return tuple(map(int, new_shape)), new_affine


def resample(
    volume: Volume, shape: tuple[int, ...], affine: np.ndarray, order: int = 1
) -> np.ndarray:
    """A volume on another grid of the same world; itself, if it is on that grid.

    Args:
        volume: Image (`order` 1) or labels (`order` 0).
        shape: Of the grid.
        affine: Of the grid.
        order: Degree of the interpolation.

    Returns:
        Array of the given shape.
    """
    if volume.shape == shape and np.allclose(volume.affine, affine, atol=1e-4):
        return volume.array
    return sample_world(volume, world_coordinates(shape, affine), order)
