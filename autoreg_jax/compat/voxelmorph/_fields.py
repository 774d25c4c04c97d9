"""Displacements: as positions, integrated, resized, and how they change volume."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from autoreg_jax import spatial
from autoreg_jax.compat.voxelmorph._layout import (
    channels_first,
    channels_last,
    check_field,
)


def disp_to_trf(disp: Float[Array, "b d *space"]) -> Float[Array, "b d *space"]:
    """Positions x + u(x), in voxels.

    Args:
        disp: Displacement u in voxels.

    Returns:
        The positions.

    Raises:
        ValueError: If the shape is not that of a displacement.
    """
    check_field(disp, "disp")
    return disp + _grid(disp)


def trf_to_disp(trf: Float[Array, "b d *space"]) -> Float[Array, "b d *space"]:
    """Displacement of positions in voxels; the inverse of `disp_to_trf`.

    Args:
        trf: Positions x + u(x).

    Returns:
        u, in voxels.

    Raises:
        ValueError: If the shape is not that of positions.
    """
    check_field(trf, "trf")
    return trf - _grid(trf)


def disp_to_coords(disp: Float[Array, "b d *space"]) -> Float[Array, "b d *space"]:
    """Positions x + u(x) in [-1, 1], the centres of the first and last voxel.

    Component i is along axis i. `grid_sample` of PyTorch, with `align_corners=True`,
    takes them channels last and in the reverse order.

    Args:
        disp: Displacement u in voxels.

    Returns:
        2 (x + u(x)) / (n − 1) − 1; for an axis of one voxel 2 (x + u(x)) − 1.

    Raises:
        ValueError: If the shape is not that of a displacement.
    """
    return disp_to_trf(disp) * _scale(disp) - 1


def coords_to_disp(coords: Float[Array, "b d *space"]) -> Float[Array, "b d *space"]:
    """Displacement of positions in [-1, 1]; the inverse of `disp_to_coords`.

    VoxelMorph declares this function and leaves it empty.

    Args:
        coords: As `disp_to_coords` returns them.

    Returns:
        u, in voxels.

    Raises:
        ValueError: If the shape is not that of coordinates.
    """
    check_field(coords, "coords")
    return trf_to_disp((coords + 1) / _scale(coords))


def integrate_disp(
    disp: Float[Array, "b d *space"], steps: int
) -> Float[Array, "b d *space"]:
    """Displacement of exp(v) by scaling and squaring, see `spatial.integrate`.

    Outside of the grid the displacement is 0, as in VoxelMorph.

    Args:
        disp: Stationary velocity v, in voxels.
        steps: Number of squarings; 0 gives v.

    Returns:
        The displacement, in voxels.

    Raises:
        ValueError: If `steps` is negative, or the shape is not that of a velocity.
    """
    check_field(disp, "disp")
    return channels_first(spatial.integrate(channels_last(disp), steps))


def resize_disp(
    disp: Float[Array, "b d *space"],
    scale_factor: float | Sequence[float] | None = None,
    shape: Sequence[int] | None = None,
) -> Float[Array, "b d *new_space"]:
    """The displacement on another grid, its vectors multiplied by the factor.

    First and last voxels are aligned, and yet the vectors are multiplied by m/n, where
    the aligned grids differ by (m − 1)/(n − 1): VoxelMorph does so. A field that is
    resized to keep its deformation exactly is `spatial.resize_displacement`.

    Args:
        disp: Displacement in voxels.
        scale_factor: m/n of all axes or of each; the new size is rounded down.
        shape: New number of voxels m of each axis, instead of the factor.

    Returns:
        The displacement, in voxels of the new grid.

    Raises:
        ValueError: If both or neither of factor and shape are given, or one has another
            number of axes.
    """
    check_field(disp, "disp")
    old = disp.shape[2:]
    if (scale_factor is None) == (shape is None):
        raise ValueError("give scale_factor or shape, and not both.")
    if shape is not None:
        factors = [new / size for new, size in zip(shape, old, strict=True)]
    else:
        is_one = isinstance(scale_factor, int | float)
        factors = [scale_factor] * len(old) if is_one else list(scale_factor or ())
        shape = [math.floor(n * f) for n, f in zip(old, factors, strict=True)]
    resized = spatial.resize_image(channels_last(disp), tuple(shape))
    along = (*[1] * (disp.ndim - 1), -1)
    return channels_first(resized * jnp.asarray(factors, resized.dtype).reshape(along))


def jacobian_determinant(disp: Float[Array, "b d *space"]) -> Float[Array, "b *space"]:
    """Determinant of the Jacobian of x + u(x), see `spatial.jacobian_determinant`.

    Args:
        disp: Displacement u in voxels.

    Returns:
        The determinant in each voxel; 0 or less is a fold.

    Raises:
        ValueError: If the shape is not that of a displacement.
    """
    check_field(disp, "disp")
    return spatial.jacobian_determinant(channels_last(disp))


def _grid(field: Array) -> Array:
    """Positions of the voxels, `(1, d, *space)`."""
    grid = channels_first(spatial.identity_grid(field.shape[2:]))
    return grid[None].astype(field.dtype)


def _scale(field: Array) -> Array:
    """2 / (n − 1) of each axis, `(1, d, 1, ...)`."""
    space = field.shape[2:]
    scale = jnp.asarray([2 / max(size - 1, 1) for size in space], field.dtype)
    return scale.reshape(1, -1, *[1] * len(space))
