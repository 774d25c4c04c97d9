"""The image pyramid of a pair: points of the fixed image, grids of the moving one."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)
from scipy import ndimage

from autoreg_jax.alignment._similarity import Level
from autoreg_jax.data import normalize_intensity
from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry import Grid, Volume, resample, sample_world

# Voxels along the longest axis at each level, coarse to fine: a head of 220 mm has
# voxels of 7, 3.5 and 2.3 mm. The arrays of all levels have the size of the finest, and
# the fixed image is sampled at few or at many points, so that two compiled programs
# serve all levels and images of any shape.
_SIZES = {2: (32, 64, 128), 3: (32, 64, 96)}
_FEW_POINTS, _MANY_POINTS = 4096, 16384
# Points up to this distance from the object are compared, in radii of the object.
_MARGIN = 0.15


class Frame(NamedTuple):
    """Local coordinates of an image, in radii of the fixed object.

    Attributes:
        centre: World position of the origin, mm.
        basis: Orthonormal columns, `(3, d)`: the axes of the world, or of the plane.
        radius: Unit of length, mm.
    """

    centre: np.ndarray
    basis: np.ndarray
    radius: float


class PairPyramid(NamedTuple):
    """Two images at several resolutions.

    Attributes:
        levels: Coarse to fine.
        fixed: Frame of the fixed image, about the centre of mass of its object.
        moving: Frame of the moving image; a matrix of the optimisation maps from the
            fixed frame to this one.
        size_ratio: Radius of the moving object in units of that of the fixed one.
    """

    levels: tuple[Level, ...]
    fixed: Frame
    moving: Frame
    size_ratio: float

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return self.fixed.basis.shape[1]

    @property
    def header_shift(self) -> Float[np.ndarray, " d"]:
        """Centre of the fixed frame in the moving one, according to the headers."""
        offset = self.fixed.centre - self.moving.centre
        return self.fixed.basis.T @ offset / self.fixed.radius

    def world_matrix(
        self, matrix: Float[np.ndarray, "d+1 d+1"]
    ) -> Float[np.ndarray, "4 4"]:
        """A matrix between the frames in world mm; slices stay in their plane."""
        ndim, (centre, basis, radius) = self.ndim, self.fixed
        across = np.eye(3) - basis @ basis.T
        world = np.eye(4)
        world[:3, :3] = basis @ matrix[:ndim, :ndim] @ basis.T + across
        target = self.moving.centre + radius * basis @ matrix[:ndim, ndim]
        target = basis @ basis.T @ target + across @ centre
        world[:3, 3] = target - world[:3, :3] @ centre
        return world


def make_pyramid(
    fixed: Volume,
    moving: Volume,
    fixed_mask: Volume | None = None,
    moving_mask: Volume | None = None,
) -> PairPyramid:
    """Build the image pyramid of two images of the same number of axes.

    It is independent of the order and direction of the axes in the files. The images
    are compared where the masks, on any grid, are above 0.
    """
    sizes = _SIZES[fixed.ndim]
    images = [_canonical(image) for image in (fixed, moving)]
    extents = [np.multiply(v.shape, v.spacing) for v in images]
    longest = float(np.max(extents))
    images = [_downsample(v, longest / sizes[-1]) for v in images]
    masks = [_mask_on(images[0], fixed_mask), _mask_on(images[1], moving_mask)]
    objects = [_foreground(v, mask) for v, mask in zip(images, masks, strict=True)]
    centres, radii = zip(*map(_centre_and_radius, images, objects), strict=True)
    basis, radius = _plane_basis(images[0]), radii[0]
    frames = [Frame(centre, basis, radius) for centre in centres]
    margin = max(1, round(_MARGIN * radius / min(images[0].spacing)))
    near = ndimage.binary_dilation(objects[0] > 0, iterations=margin)
    levels = []
    for size in sizes:
        spacing = longest / size
        most = _FEW_POINTS if size == sizes[0] else _MANY_POINTS
        points = _fixed_points(
            _downsample(images[0], spacing),
            Volume(near * masks[0], images[0].affine),
            Volume(objects[0], images[0].affine),
            frames[0],
            most,
        )
        image = _moving_image(images[1], masks[1], spacing, sizes[-1], frames[1])
        levels.append(Level(*map(jnp.asarray, (*points, *image))))
    return PairPyramid(tuple(levels), frames[0], frames[1], radii[1] / radius)


def _fixed_points(
    image: Volume, compared: Volume, is_object: Volume, frame: Frame, most: int
) -> tuple[np.ndarray, ...]:
    """Points, values, weights and object of a level, padded to one of two lengths.

    The points are in random order.
    """
    world = image.grid.points().reshape(-1, 3)
    compared_here, object_here = (
        sample_world(Volume(part.array.astype(np.float32), part.affine), world) > 0.5
        for part in (compared, is_object)
    )
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(compared_here))
    number = _FEW_POINTS if len(chosen) <= _FEW_POINTS else most
    chosen = chosen[:number]
    arrays = (
        (world[chosen] - frame.centre) @ frame.basis / frame.radius,
        image.array.reshape(-1)[chosen],
        np.ones(len(chosen)),
        object_here[chosen],
    )
    padding = [(0, number - len(chosen)), (0, 0)]
    return tuple(np.pad(x.astype(np.float32), padding[: x.ndim]) for x in arrays)


def _moving_image(
    volume: Volume, mask: np.ndarray, spacing: float, size: int, frame: Frame
) -> tuple[np.ndarray, np.ndarray]:
    """Image and mask of a level, padded to `size`, and the matrix to its voxels."""
    ndim = volume.ndim
    masked = _downsample(Volume(volume.array * mask, volume.affine), spacing)
    coverage = _downsample(Volume(mask, volume.affine), spacing).array
    padded = np.zeros((*(size,) * ndim, 2), np.float32)
    inside = tuple(slice(0, n) for n in masked.shape)
    padded[(*inside, 0)], padded[(*inside, 1)] = masked.array, coverage
    inverse = np.linalg.inv(masked.affine)[:ndim]
    to_voxels = np.eye(ndim + 1)
    to_voxels[:ndim, :ndim] = inverse[:, :3] @ frame.basis * frame.radius
    to_voxels[:ndim, ndim] = inverse[:, :3] @ frame.centre + inverse[:, 3]
    return padded, to_voxels.astype(np.float32)


def _canonical(volume: Volume) -> Volume:
    """The volume scaled to [0, 1], with its axes in the order nearest to R, A, S."""
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


def _downsample(volume: Volume, spacing: float) -> Volume:
    """The volume on its own axes, with voxels of at least `spacing` mm."""
    ndim = volume.ndim
    shape = np.asarray(volume.shape)
    factor = np.maximum(spacing / np.asarray(volume.spacing), 1)
    new = np.maximum(np.ceil(shape / factor - 1e-3), 1).astype(int)
    affine = volume.affine.copy()
    affine[:3, :ndim] = affine[:3, :ndim] * factor
    corner = 0.5 * (shape - new * factor) + 0.5 * (factor - 1)
    affine[:3, 3] += volume.affine[:3, :ndim] @ corner
    return Volume(resample(volume, Grid(tuple(new), affine)), affine)


def _mask_on(volume: Volume, mask: Volume | None) -> Float[np.ndarray, "*space"]:
    """1 where a mask is above 0, on the grid of a volume; everywhere without a mask.

    Raises:
        GeometryError: If no voxel is left.
    """
    if mask is None:
        return np.ones(volume.shape, np.float32)
    points = volume.grid.points()
    inside = Volume((mask.array > 0).astype(np.float32), mask.affine)
    found = sample_world(inside, points) > 0.5
    if not found.any():
        raise GeometryError(
            f"{mask.path or 'the mask'}: none of its {np.count_nonzero(inside.array)} "
            "voxels above 0 lies on its image; correct its header, or draw it again."
        )
    return found.astype(np.float32)


def _foreground(volume: Volume, mask: np.ndarray) -> Float[np.ndarray, "*space"]:
    """1 in the object; the voxels on the border are taken to be background."""
    array = volume.array
    inner = tuple(slice(1, -1) if size > 2 else slice(None) for size in array.shape)
    border = np.ones(array.shape, bool)
    border[inner] = False
    contrast = np.abs(array - np.median(array[border if border.any() else ...])) * mask
    for is_object in (contrast > 0.5 * contrast.mean(), mask > 0):
        if is_object.any():
            return is_object.astype(np.float32)
    return np.ones(array.shape, np.float32)


def _plane_basis(volume: Volume) -> np.ndarray:
    """Orthonormal directions of a plane; those of the world for a volume."""
    if volume.ndim == 3:
        return np.eye(3)
    first, second = volume.affine[:3, 0], volume.affine[:3, 1]
    first = first / np.linalg.norm(first)
    second = second - first * (first @ second)
    return np.stack([first, second / np.linalg.norm(second)], 1)


def _centre_and_radius(
    volume: Volume, is_object: np.ndarray
) -> tuple[np.ndarray, float]:
    """Centre of mass and root mean square radius of an object, mm."""
    points = volume.grid.points()[is_object > 0]
    centre = points.mean(0)
    # A single voxel has an extent, too.
    extent = np.sum((points - centre) ** 2, 1).mean() + max(volume.spacing) ** 2
    return centre, math.sqrt(extent)
