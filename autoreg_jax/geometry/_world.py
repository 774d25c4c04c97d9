"""From voxels to millimetres and back: working grids and resampling in world space."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Num
from nibabel.orientations import (
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)
from scipy import ndimage

from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry._resample import index_matrix, resample
from autoreg_jax.geometry._volume import Volume

__all__ = [
    "displacement_on",
    "resample",
    "sample_world",
    "voxel_coordinates",
    "working_grid",
    "world_coordinates",
]

# A grid within one per cent of the spacing of training is used as it is.
_SAME_SPACING = 0.01


def world_coordinates(
    shape: tuple[int, ...], affine: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, "*space 3"]:
    """World position of every voxel of a grid.

    Args:
        shape: `(x, y, z)`, or `(x, y)` for an image in the plane k = 0.
        affine: Voxel to world, mm, RAS+.

    Returns:
        Positions in mm.
    """
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    return index @ affine[:3, : len(shape)].T + affine[:3, 3]


def voxel_coordinates(
    volume: Volume, points: Float[np.ndarray, "*n 3"]
) -> Float[np.ndarray, "*n d"]:
    """Continuous voxel indices of world positions; 2-D: of their foot in the plane."""
    inverse = np.linalg.inv(volume.affine)[: volume.ndim]
    return points @ inverse[:, :3].T + inverse[:, 3]


def sample_world(
    volume: Volume,
    points: Float[np.ndarray, "*n 3"],
    order: int = 1,
    *,
    boundary: Literal["zeros", "edge"] = "zeros",
) -> Num[np.ndarray, "*n"]:
    """Values of a volume at world positions.

    Args:
        volume: Any volume.
        points: Positions in mm, RAS+.
        order: 1 for linear interpolation, 0 for the nearest voxel.
        boundary: What is met outside of the volume.

    Returns:
        Values in the type of the volume.
    """
    index = np.moveaxis(voxel_coordinates(volume, points), -1, 0)
    # "constant" would lose a border voxel to a rounding error of 1e-16.
    mode = "grid-constant" if boundary == "zeros" else "nearest"
    return ndimage.map_coordinates(volume.array, index, order=order, mode=mode)


def working_grid(
    fixed: Volume, orientation: str, spacing: tuple[float, ...]
) -> tuple[tuple[int, ...], Float[np.ndarray, "4 4"]]:
    """The grid on which the network sees a pair.

    It covers the field of view of the fixed image, in the orientation and at the
    spacing that the network was trained with. A fixed image that has both is its own
    grid.

    Args:
        fixed: The fixed image.
        orientation: Three letters, as "RAS", of the training images.
        spacing: Of the training images in mm, one for each axis of the image.

    Returns:
        Shape and voxel-to-world affine.

    Raises:
        GeometryError: If a 2-D image lies in another plane than the training images.
    """
    ndim = fixed.ndim
    full = fixed.shape + (1,) * (3 - ndim)
    turn = ornt_transform(
        io_orientation(fixed.affine), axcodes2ornt(tuple(orientation))
    )
    axes = turn[:, 0].astype(int)
    if ndim == 2 and axes[2] != 2:
        raise GeometryError(
            f"{fixed.path or 'the fixed image'}: its plane is not that of the training "
            f"images, whose axes point to {orientation}; use a model that was trained "
            "on such slices, or repair the header."
        )
    shape = np.empty(3, int)
    shape[axes] = full
    affine = fixed.affine @ inv_ornt_aff(turn, full)
    lengths = np.linalg.norm(affine[:3, :ndim], axis=0)
    factor = np.ones(3)
    factor[:ndim] = np.asarray(spacing) / lengths
    if np.all(np.abs(factor - 1) <= _SAME_SPACING):
        return tuple(map(int, shape[:ndim])), affine
    new_shape = np.maximum(np.ceil(shape / factor - 1e-3), 1).astype(int)
    # The field of view begins half a voxel before the first centre and stays centred.
    corner = 0.5 * (shape - new_shape * factor) + 0.5 * (factor - 1)
    new_affine = affine.copy()
    new_affine[:3, :3] *= factor
    new_affine[:3, 3] += affine[:3, :3] @ corner
    return tuple(map(int, new_shape[:ndim])), new_affine


def displacement_on(
    fixed: Volume,
    displacement: Float[np.ndarray, "*space d"],
    affine: Float[np.ndarray, "4 4"],
) -> Float[np.ndarray, "*fixed_space 3"]:
    """A displacement in voxels of a working grid, as world vectors on the fixed grid.

    Args:
        fixed: The image whose grid is wanted.
        displacement: u in voxels of the working grid.
        affine: Of the working grid.

    Returns:
        u in mm along R, A, S; beyond the working grid its edge is repeated.
    """
    vectors = displacement @ affine[:3, : fixed.ndim].T.astype(np.float32)
    space = vectors.shape[:-1]
    if space == fixed.shape and np.allclose(fixed.affine, affine, atol=1e-4):
        return vectors
    matrix = index_matrix(Volume(displacement[..., 0], affine), fixed.affine)
    return np.stack(
        [
            ndimage.affine_transform(
                component, matrix, output_shape=fixed.shape, order=1, mode="nearest"
            )
            for component in np.moveaxis(vectors, -1, 0)
        ],
        axis=-1,
    )
