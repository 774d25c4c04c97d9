"""Matrices, and the displacements that they are."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from autoreg_jax.compat.voxelmorph._layout import (
    channels_first,
    channels_last,
    check_field,
)
from autoreg_jax.spatial import apply_affine, identity_grid


def make_square_affine(mat: Float[Array, "*b m n"]) -> Float[Array, "*b n n"]:
    """Add the row (0 … 0 1) to a matrix that lacks it.

    Args:
        mat: `(*b, d, d+1)` or `(*b, d+1, d+1)`.

    Returns:
        The square matrix.

    Raises:
        ValueError: If the shape is another one.
    """
    if mat.ndim < 2 or mat.shape[-1] - mat.shape[-2] not in (0, 1):
        raise ValueError(
            f"an affine matrix must be (d, d+1) or (d+1, d+1), got shape {mat.shape}."
        )
    if mat.shape[-2] == mat.shape[-1]:
        return mat
    row = jnp.eye(mat.shape[-1], dtype=mat.dtype)[-1:]
    row = jnp.broadcast_to(row, (*mat.shape[:-2], 1, mat.shape[-1]))
    return jnp.concatenate([mat, row], -2)


def affine_to_disp(
    affine: Float[Array, "*b m d+1"],
    *,
    shape: Sequence[int],
    origin_at_center: bool = True,
    warp_right: Float[Array, "b d *space"] | None = None,
) -> Float[Array, "*field"]:
    """Displacement u(x) = A(x) − x of a matrix that maps voxels to voxels.

    The matrix is taken as it is, from the grid of the result to the moving image;
    `spatial_transform` inverts the matrices that it is given.

    Args:
        affine: One matrix or `(b, ...)`, each `(d, d+1)` or `(d+1, d+1)`, in voxels.
        shape: Number of voxels of each axis.
        origin_at_center: Whether positions are counted from the centre (n − 1)/2 of
            each axis, or from the first voxel.
        warp_right: A displacement w that comes first: u(x) = A(x + w(x)) − x.

    Returns:
        The displacement, in voxels; without a batch axis if neither argument has one.

    Raises:
        ValueError: If the number of axes of the arguments differ.
    """
    matrix, shape = make_square_affine(affine), tuple(shape)
    if matrix.shape[-1] != len(shape) + 1:
        raise ValueError(
            f"a matrix of shape {affine.shape} does not fit a grid of {len(shape)} "
            "axes."
        )
    grid = identity_grid(shape)
    if origin_at_center:
        centre = (jnp.asarray(shape, grid.dtype) - 1) / 2
        grid = grid - jnp.broadcast_to(centre, grid.shape)
    points = grid
    if warp_right is not None:
        check_field(warp_right, "warp_right")
        if warp_right.shape[2:] != shape:
            raise ValueError(
                f"warp_right has the grid {warp_right.shape[2:]}, not {shape}."
            )
        points = grid[None] + channels_last(warp_right)
    axes = [
        0 if is_batched else None
        for is_batched in (matrix.ndim == 3, warp_right is not None)
    ]
    mapped = apply_affine
    if any(axis is not None for axis in axes):
        mapped = jax.vmap(apply_affine, in_axes=tuple(axes))
    places = mapped(matrix, points)
    return channels_first(places - jnp.broadcast_to(grid, places.shape))
