"""Where voxels lie in the world."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from nibabel.orientations import (
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)

from autoreg_jax.errors import GeometryError

__all__ = ["Grid", "grid_along"]


@dataclass(frozen=True, eq=False)
class Grid:
    """Where voxels lie in the world.

    Attributes:
        shape: `(x, y, z)` or `(x, y)`.
        affine: Voxel indices to world millimetres, RAS+, `(4, 4)`.

    Examples:
        >>> Grid((4, 5), np.diag([2.0, 3, 1, 1])).spacing
        (2.0, 3.0)
    """

    shape: tuple[int, ...]
    affine: Float[np.ndarray, "4 4"]

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.shape)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance of neighbouring voxels on each axis, millimetres."""
        lengths = np.linalg.norm(self.affine[:3, : self.ndim], axis=0)
        return tuple(float(length) for length in lengths)

    @property
    def centre(self) -> Float[np.ndarray, "3"]:
        """World position of the middle, millimetres."""
        middle = (np.asarray(self.shape) - 1) / 2
        return self.affine[:3, : self.ndim] @ middle + self.affine[:3, 3]


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
        shape: Number of voxels on each axis of the new grid.
        spacing: Millimetres on each of its axes.
        orientation: Where its axes point, three letters as "RAS"; the directions of
            `axes` are put in this order and turned this way.
        centre: World position of its middle, mm.

    Returns:
        The grid.

    Raises:
        GeometryError: If `orientation` is none, or another plane than that of `axes`.

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
    ndim, full = axes.ndim, axes.shape + (1,) * (3 - axes.ndim)
    try:
        wanted = axcodes2ornt(tuple(orientation.upper()))
    except ValueError:
        wanted = np.full((3, 2), np.nan)
    if wanted.shape != (3, 2) or sorted(wanted[:, 0].tolist()) != [0, 1, 2]:
        raise GeometryError(
            f"orientation: must be three letters, one each of R or L, A or P, S or I, "
            f"as RAS; got {orientation!r}."
        )
    turn = ornt_transform(io_orientation(axes.affine), wanted)
    if ndim == 2 and turn[2, 0] != 2:
        raise GeometryError(
            f"orientation: the images are slices of another plane than "
            f"{orientation!r}; change its first two letters only."
        )
    affine = axes.affine @ inv_ornt_aff(turn, full)
    lengths = np.linalg.norm(affine[:3, :ndim], axis=0)
    affine[:3, :ndim] *= np.asarray(spacing) / lengths
    middle = affine[:3, :ndim] @ ((np.asarray(shape) - 1) / 2)
    affine[:3, 3] = np.asarray(centre) - middle
    return Grid(shape, affine)
