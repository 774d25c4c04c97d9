"""Grids that are made from other grids."""

import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.orientations import (
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)

from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry._grid import Grid
from autoreg_jax.geometry._volume import Volume

__all__ = ["grid_along", "working_grid"]

# A grid within one per cent of the spacing of training is used as it is.
_SAME_SPACING = 0.01


def grid_along(
    axes: Grid,
    *,
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
    orientation: str,
    centre: tuple[float, ...],
) -> Grid:
    """A grid along the axes of another.

    Args:
        axes: Gives the directions, oblique or not.
        shape: Number of voxels along each axis of the new grid.
        spacing: Of the new grid, mm along each axis.
        orientation: Directions of the new axes, three letters as "RAS"; the directions
            of `axes` are put in this order and turned this way.
        centre: World position of the middle of the new grid, mm.

    Returns:
        The grid.

    Raises:
        GeometryError: If `orientation` is not an orientation, or names another plane
            than that of `axes`.

    Examples:
        >>> scan = Grid((4, 5, 6), np.diag([1.0, 1, 3, 1]))
        >>> grid = grid_along(
        ...     scan,
        ...     shape=(2, 2, 2),
        ...     spacing=(2.0, 2.0, 2.0),
        ...     orientation="LPS",
        ...     centre=(0.0, 0.0, 0.0),
        ... )
        >>> grid.affine.tolist()[0], grid.affine.tolist()[2]
        ([-2.0, 0.0, 0.0, 1.0], [0.0, 0.0, 2.0, -1.0])
    """
    try:
        wanted = axcodes2ornt(tuple(orientation.upper()))
    except ValueError:
        wanted = np.full((3, 2), np.nan)
    if wanted.shape != (3, 2) or sorted(wanted[:, 0].tolist()) != [0, 1, 2]:
        raise GeometryError(
            f"orientation: must be three letters, one each of R or L, A or P, S or I, "
            f"as RAS; got {orientation!r}."
        )
    turned = _turned(axes, orientation.upper())
    if turned is None:
        raise GeometryError(
            f"orientation: the images are slices of another plane than "
            f"{orientation!r}; change its first two letters only."
        )
    affine, ndim = turned.affine.copy(), axes.ndim
    affine[:3, :ndim] *= np.asarray(spacing) / voxel_sizes(affine)[:ndim]
    middle = affine[:3, :ndim] @ ((np.asarray(shape) - 1) / 2)
    affine[:3, 3] = np.asarray(centre) - middle
    return Grid(shape, affine)


def working_grid(fixed: Volume, orientation: str, spacing: tuple[float, ...]) -> Grid:
    """The grid on which the network sees a pair.

    It covers the field of view of the fixed image, in the orientation and at the
    spacing that the network was trained with. A fixed image that has both is its own
    grid.

    Args:
        fixed: The fixed image.
        orientation: Of the training images, three letters as "RAS".
        spacing: Of the training images, mm along each axis of the image.

    Returns:
        The grid.

    Raises:
        GeometryError: If a 2-D image lies in another plane than the training images.
    """
    turned = _turned(fixed.grid, orientation)
    if turned is None:
        raise GeometryError(
            f"{fixed.path or 'the fixed image'}: its plane is not that of the training "
            f"images, whose axes point to {orientation}; use a model that was trained "
            "on such slices, or repair the header."
        )
    factor = np.asarray(spacing) / turned.spacing
    if np.all(np.abs(factor - 1) <= _SAME_SPACING):
        return turned
    shape = np.asarray(turned.shape)
    new_shape = np.maximum(np.ceil(shape / factor - 1e-3), 1).astype(int)
    # The field of view begins half a voxel before the first centre and stays centred.
    corner = 0.5 * (shape - new_shape * factor) + 0.5 * (factor - 1)
    affine = turned.affine.copy()
    affine[:3, 3] += affine[:3, : fixed.ndim] @ corner
    affine[:3, : fixed.ndim] *= factor
    return Grid(tuple(new_shape), affine)


def _turned(grid: Grid, orientation: str) -> Grid | None:
    """The same voxels with axes in another order and direction; None: another plane."""
    full = grid.shape + (1,) * (3 - grid.ndim)
    turn = ornt_transform(io_orientation(grid.affine), axcodes2ornt(tuple(orientation)))
    axes = turn[:, 0].astype(int)
    if grid.ndim == 2 and axes[2] != 2:
        return None
    shape = np.empty(3, int)
    shape[axes] = full
    return Grid(tuple(shape[: grid.ndim]), grid.affine @ inv_ornt_aff(turn, full))
