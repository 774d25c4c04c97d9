"""Features of the two images at every scale."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.networks._structure import FULL, Structure
from autoreg_jax.networks._wiring import Wiring

# Of an image in [0, 1] that counts as constant.
_SMALLEST_VARIANCE = 1e-6

CellOf = Callable[[int, str], Callable[[Array], Array]]
"""The feature cell of a scale, and the ending of its name."""


def encode(
    moving: Array,
    fixed: Array,
    cell: CellOf,
    *,
    num_scales: int,
    structure: Structure,
    wiring: Wiring,
) -> list[list[Array]]:
    """Features of moving and fixed image at the finest scale, then at coarser ones.

    Those at full resolution, if there are any, are made beside the others.

    Args:
        moving: `(b, *space, c)`.
        fixed: The same shape.
        cell: Makes the feature cell of a scale.
        num_scales: Scales to compute from half resolution on.
        structure: Says which scales have a cell of their own.
        wiring: Says whether images are scaled and weights shared.

    Returns:
        `[moving, fixed]` for each scale, the finest first.
    """
    # One batch with both images of a pair side by side: a batch of pairs that is
    # divided over devices stays where it is.
    images, owners = [_paired(moving, fixed)], [""]
    if wiring.has_separate_features:
        images, owners = [moving, fixed], ["_moving", "_fixed"]
    if wiring.is_standardised:
        is_many = moving.shape[-1] > 1
        images = [_standardised(image, by_channel=is_many) for image in images]

    def through_cells(scale: int, images: list[Array]) -> list[Array]:
        cells = [cell(scale, owner) for owner in owners]
        found = [one(x) for one, x in zip(cells, images, strict=True)]
        if structure.has_normalised_features:
            found = [_standardised(x, by_channel=True) for x in found]
        return found

    scales = []
    if structure.finest == FULL:
        scales.append(_pair(through_cells(FULL, images)))
    for scale in range(num_scales):
        if scale and structure.encoder == "pooled":
            images = [_averaged(image) for image in images]
        else:
            images = through_cells(scale, images)
        scales.append(_pair(images))
    return scales


def _pair(images: list[Array]) -> list[Array]:
    """Moving and fixed, whether they are one batch or two."""
    return images if len(images) == 2 else _parted(images[0])


def _paired(moving: Array, fixed: Array) -> Array:
    """One batch of both, `(2b, *space, c)`: moving and fixed by turns."""
    return jnp.stack([moving, fixed], 1).reshape(-1, *moving.shape[1:])


def _parted(images: Array) -> list[Array]:
    """Undo `_paired`."""
    pairs = images.reshape(-1, 2, *images.shape[1:])
    return [pairs[:, 0], pairs[:, 1]]


def _standardised(images: Array, *, by_channel: bool = False) -> Array:
    """Zero mean, unit deviation for each image; a constant one becomes zeros.

    Wide and dilated kernels otherwise start as sums of brightness that hide all edges.
    """
    axes = tuple(range(1, images.ndim - by_channel))
    centred = images - jnp.mean(images, axes, keepdims=True)
    variance = jnp.mean(centred**2, axes, keepdims=True)
    return centred * jax.lax.rsqrt(variance + _SMALLEST_VARIANCE)


def _averaged(x: Array) -> Array:
    """Means of two voxels along each axis, on the grid `spatial.half_shape`.

    The last voxel of an axis with an odd number of them counts twice.
    """
    for axis in range(1, x.ndim - 1):
        size = x.shape[axis]
        if size % 2:
            last = jax.lax.slice_in_dim(x, size - 1, size, axis=axis)
            x = jnp.concatenate([x, last], axis)
        shape = (*x.shape[:axis], -1, 2, *x.shape[axis + 1 :])
        x = jnp.mean(x.reshape(shape), axis + 1)
    return x
