"""Small copies of images in one order of axes, and where the object in them is."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)

from autoreg_jax.data import Volume, normalize_intensity
from autoreg_jax.geometry._world import resample, sample_world, world_coordinates


class Frame(NamedTuple):
    """A middle in the world and, of a slice, the directions of its plane.

    Attributes:
        centre: World position, mm.
        basis: Orthonormal columns, `(3, d)`.
        radius: mm, root of the mean squared distance of the object from its centre.
    """

    centre: np.ndarray
    basis: np.ndarray
    radius: float


def canonical(volume: Volume) -> Volume:
    """The same voxels, scaled to [0, 1], their axes in the order nearest to R, A, S."""
    ndim = volume.ndim
    full = volume.array.reshape(*volume.shape, *(1,) * (3 - ndim))
    turn = ornt_transform(io_orientation(volume.affine), axcodes2ornt("RAS"))
    array = apply_orientation(full, turn)
    affine = volume.affine @ inv_ornt_aff(turn, full.shape)
    if ndim == 2:
        # The axis across the plane goes last again.
        flat = int(turn[2, 0])
        order = [axis for axis in range(3) if axis != flat] + [flat]
        array = np.transpose(array, order)[..., 0]
        affine = affine[:, [*order, 3]]
    return Volume(normalize_intensity(array), affine, volume.path)


def shrunk(volume: Volume, spacing: float, most: int) -> Volume:
    """The volume on its own axes with voxels of at least `spacing` mm."""
    ndim = volume.ndim
    shape = np.asarray(volume.shape)
    factor = np.maximum(spacing / np.asarray(volume.spacing), 1)
    new = np.clip(np.ceil(shape / factor - 1e-3), 1, most).astype(int)
    affine = volume.affine.copy()
    affine[:3, :ndim] = affine[:3, :ndim] * factor
    corner = 0.5 * (shape - new * factor) + 0.5 * (factor - 1)
    affine[:3, 3] += volume.affine[:3, :ndim] @ corner
    array = resample(volume, tuple(map(int, new)), affine)
    return Volume(array, affine, volume.path)


def mask_on(volume: Volume, mask: Volume | None) -> Float[np.ndarray, "*space"]:
    """1 where a mask of any grid is above 0, on the grid of a volume; or everywhere."""
    if mask is None:
        return np.ones(volume.shape, np.float32)
    points = world_coordinates(volume.shape, volume.affine)
    inside = Volume((mask.array > 0).astype(np.float32), mask.affine)
    return (sample_world(inside, points) > 0.5).astype(np.float32)


def foreground(volume: Volume, mask: np.ndarray) -> Float[np.ndarray, "*space"]:
    """1 where something other than background is, judged by the border."""
    array = volume.array
    inner = tuple(slice(1, -1) if size > 2 else slice(None) for size in array.shape)
    border = np.ones(array.shape, bool)
    border[inner] = False
    contrast = np.abs(array - np.median(array[border if border.any() else ...]))
    contrast = contrast * mask
    found = contrast > 0.5 * contrast.mean()
    if not found.any():
        found = mask > 0
    if not found.any():
        found = np.ones(array.shape, bool)
    return found.astype(np.float32)


def plane_basis(volume: Volume) -> np.ndarray:
    """Orthonormal directions of a plane; of a volume those of the world."""
    if volume.ndim == 3:
        return np.eye(3)
    first, second = volume.affine[:3, 0], volume.affine[:3, 1]
    first = first / np.linalg.norm(first)
    second = second - first * (first @ second)
    return np.stack([first, second / np.linalg.norm(second)], 1)


def object_frame(volume: Volume, found: np.ndarray, basis: np.ndarray) -> Frame:
    """Centre of mass and radius of where `found` is above 0."""
    points = world_coordinates(volume.shape, volume.affine)[found > 0]
    centre = points.mean(0)
    # A single voxel has an extent, too.
    extent = np.sum((points - centre) ** 2, 1).mean() + max(volume.spacing) ** 2
    return Frame(centre, basis, math.sqrt(extent))
