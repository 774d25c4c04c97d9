"""What the alignment sees of two images: points of one, a small copy of the other."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import ndimage

from autoreg_jax.alignment._similarity import Level
from autoreg_jax.alignment._volumes import (
    Frame,
    canonical,
    foreground,
    mask_on,
    object_frame,
    plane_basis,
    shrunk,
)
from autoreg_jax.data import Volume
from autoreg_jax.geometry._world import sample_world, world_coordinates

# Voxels of the longest axis at each level, coarse to fine: a head of 220 mm is seen at
# 7, 3.5 and 2.3 mm. All levels have the box of the finest, and look at the fixed image
# at few or at many points: two compiled programs serve them all, and images of any
# shape.
_SIZES = {2: (32, 64, 128), 3: (32, 64, 96)}
_FEW_POINTS, _MANY_POINTS = 4096, 16384
# Points up to so far beside the object count as well, in parts of its radius.
_MARGIN = 0.15


class Scene(NamedTuple):
    """A pair that is ready to be aligned.

    Attributes:
        levels: Coarse to fine.
        fixed: Frame in which the points are given.
        moving: Frame into which a map leads.
        growth: Size of the moving object in units of the fixed one.
        header: Where the headers put the fixed centre, in the moving frame, in radii.
    """

    levels: tuple[Level, ...]
    fixed: Frame
    moving: Frame
    growth: float
    header: np.ndarray


def make_scene(
    fixed: Volume,
    moving: Volume,
    fixed_mask: Volume | None = None,
    moving_mask: Volume | None = None,
) -> Scene:
    """Reduce a pair to what the solver needs.

    Args:
        fixed: The fixed image.
        moving: The moving image, of the same number of axes.
        fixed_mask: Where the fixed image counts (above 0), on any grid.
        moving_mask: The same for the moving one.

    Returns:
        The scene; it does not depend on the order or direction of the axes of a file.
    """
    ndim = fixed.ndim
    sizes = _SIZES[ndim]
    seen = [canonical(image) for image in (fixed, moving)]
    longest = max(
        size * step for v in seen for size, step in zip(v.shape, v.spacing, strict=True)
    )
    fine = [shrunk(volume, longest / sizes[-1], sizes[-1]) for volume in seen]
    masks = [
        mask_on(volume, mask)
        for volume, mask in zip(fine, (fixed_mask, moving_mask), strict=True)
    ]
    objects = [foreground(v, m) for v, m in zip(fine, masks, strict=True)]
    basis = plane_basis(fine[0])
    frames = [object_frame(v, o, basis) for v, o in zip(fine, objects, strict=True)]
    growth = frames[1].radius / frames[0].radius
    radius = frames[0].radius
    frames = [frame._replace(radius=radius) for frame in frames]
    near = ndimage.binary_dilation(
        objects[0] > 0,
        iterations=max(1, round(_MARGIN * radius / min(fine[0].spacing))),
    )
    levels = []
    for size in sizes:
        spacing = longest / size
        few = math.inf if size == sizes[0] else _FEW_POINTS
        points = _points(
            fine[0], near * masks[0], objects[0], spacing, frames[0], few=few
        )
        image = _image(fine[1], masks[1], spacing, (size, sizes[-1]), frames[1])
        levels.append(Level(*map(jnp.asarray, (*points, *image))))
    header = basis.T @ (frames[0].centre - frames[1].centre) / radius
    return Scene(tuple(levels), frames[0], frames[1], growth, header)


def world_matrix(
    scene: Scene, matrix: Float[np.ndarray, "d+1 d+1"]
) -> Float[np.ndarray, "4 4"]:
    """A map of the solver as one of world millimetres; slices stay in their plane."""
    size = scene.fixed.basis.shape[1]
    basis, radius = scene.fixed.basis, scene.fixed.radius
    across = np.eye(3) - basis @ basis.T
    world = np.eye(4)
    world[:3, :3] = basis @ matrix[:size, :size] @ basis.T + across
    target = scene.moving.centre + radius * basis @ matrix[:size, size]
    target = basis @ basis.T @ target + across @ scene.fixed.centre
    world[:3, 3] = target - world[:3, :3] @ scene.fixed.centre
    return world


def _points(
    volume: Volume,
    counts: np.ndarray,
    objects: np.ndarray,
    spacing: float,
    frame: Frame,
    *,
    few: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Places in random order: where, intensity, weight, object; many above `few`."""
    small = shrunk(volume, spacing, max(volume.shape))
    world = world_coordinates(small.shape, small.affine).reshape(-1, 3)
    wanted, is_object = (
        sample_world(Volume(part.astype(np.float32), volume.affine), world) > 0.5
        for part in (counts, objects)
    )
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(wanted))
    number = _FEW_POINTS if len(chosen) <= few else _MANY_POINTS
    chosen = chosen[:number]
    points = (world[chosen] - frame.centre) @ frame.basis / frame.radius

    def filled(array: np.ndarray) -> np.ndarray:
        room = [(0, number - len(chosen)), (0, 0)][: array.ndim]
        return np.pad(array.astype(np.float32), room)

    values = small.array.reshape(-1)[chosen]
    return (
        filled(points),
        filled(values),
        filled(wanted[chosen]),
        filled(is_object[chosen]),
    )


def _image(
    volume: Volume,
    mask: np.ndarray,
    spacing: float,
    sizes: tuple[int, int],
    frame: Frame,
) -> tuple[np.ndarray, np.ndarray]:
    """The moving image, of at most `sizes[0]` voxels, in a box of `sizes[1]`."""
    ndim = volume.ndim
    size, room = sizes
    small = shrunk(Volume(volume.array * mask, volume.affine), spacing, size)
    share = shrunk(Volume(mask, volume.affine), spacing, size).array
    box = np.zeros((*(room,) * ndim, 2), np.float32)
    inside = tuple(slice(0, n) for n in small.shape)
    box[(*inside, 0)], box[(*inside, 1)] = small.array, share
    inverse = np.linalg.inv(small.affine)[:ndim]
    to_voxels = np.eye(ndim + 1)
    to_voxels[:ndim, :ndim] = inverse[:, :3] @ frame.basis * frame.radius
    to_voxels[:ndim, ndim] = inverse[:, :3] @ frame.centre + inverse[:, 3]
    return box, to_voxels.astype(np.float32)
