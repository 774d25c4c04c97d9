"""Whether two images can show the same place."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry._grid import Grid
from autoreg_jax.geometry._height import check_height
from autoreg_jax.geometry._sampling import is_inside
from autoreg_jax.geometry._volume import Volume

# Fractions of the smaller field of view that two images must share, or should.
_LEAST_SHARED, _FEW_SHARED = 0.05, 0.3
# An image that covers less than this fraction of the other is doubtful.
_SMALL_PART = 0.05
# Voxels that each image must have in the shared part, along each axis.
_LEAST_SIDE = 4
# Places along each axis at which a field of view is compared with another.
_PLACES = 40


class Shared(NamedTuple):
    """What two fields of view share.

    Attributes:
        fixed: Fraction of the fixed field of view, in [0, 1].
        moving: Fraction of the moving one.
        voxels: How many voxels of the image with the larger voxels it holds.
    """

    fixed: float
    moving: float
    voxels: float

    @property
    def smaller(self) -> float:
        """Fraction of the smaller field of view, in [0, 1]."""
        return max(self.fixed, self.moving)


def shared_part(fixed: Grid, moving: Grid) -> Shared:
    """Measure what two grids of one dimension share, to a few per cent.

    Examples:
        >>> one, other = (Grid((8, 8), np.eye(4) + k * np.eye(4, k=3)) for k in (0, 2))
        >>> shared_part(one, other)
        Shared(fixed=0.75, moving=0.75, voxels=48.0)
    """
    sizes = [float(np.prod(np.multiply(g.shape, g.spacing))) for g in (fixed, moving)]
    smaller, larger = (fixed, moving) if sizes[0] <= sizes[1] else (moving, fixed)
    steps = (np.arange(_PLACES) + 0.5) / _PLACES
    sides = [steps * size - 0.5 for size in smaller.shape]
    places = smaller.to_world(np.stack(np.meshgrid(*sides, indexing="ij"), -1))
    inside = is_inside(larger.to_voxels(places), larger.shape)
    shared = float(np.mean(inside)) * min(sizes)
    voxel = max(
        size / np.prod(g.shape) for size, g in zip(sizes, (fixed, moving), strict=True)
    )
    return Shared(shared / sizes[0], shared / sizes[1], float(shared / voxel))


def check_axes(fixed: Volume, moving: Volume) -> None:
    """Make sure that two images have the same kind of axes.

    Args:
        fixed: The fixed image.
        moving: The moving image.

    Raises:
        GeometryError: If one is 2-D and the other 3-D, or if two slices lie in
            different planes.

    Warns:
        ImageWarning: If two slices lie at different heights, see `check_height`.
    """
    fixed_name, moving_name = _names(fixed, moving)
    if fixed.ndim != moving.ndim:
        raise GeometryError(
            f"{fixed_name} has {fixed.ndim} axes and {moving_name} has {moving.ndim}; "
            "register two slices or two volumes."
        )
    if fixed.ndim == 2 and _normal(fixed) != _normal(moving):
        raise GeometryError(
            f"{fixed_name} and {moving_name} are slices of different planes; register "
            "slices of one orientation, or repair the headers."
        )
    check_height(moving, fixed.grid.corners, fixed_name)


def check_field_of_view(
    fixed: Volume, moving: Volume, *, is_aligned: bool = False
) -> tuple[str, ...]:
    """Make sure that two images that pass `check_axes` overlap.

    Args:
        fixed: The fixed image.
        moving: The moving image.
        is_aligned: Whether an alignment has placed the moving image, for messages.

    Returns:
        A sentence with percentages if they share little.

    Raises:
        GeometryError: If their fields of view share less than 5 % of the smaller one,
            or fewer than 4 voxels along each axis.
    """
    names = _names(fixed, moving)
    when = " after the alignment" if is_aligned else ""
    shared = shared_part(fixed.grid, moving.grid)
    if shared.smaller < _LEAST_SHARED:
        distance = np.linalg.norm(fixed.grid.centre - moving.grid.centre)
        how = f"overlap in only {100 * shared.smaller:.2g} % of the smaller one"
        if shared.smaller == 0:
            how = "do not overlap"
        raise GeometryError(
            f"{names[0]} and {names[1]}: their fields of view {how} in the world"
            f"{when}; their centres are {distance:.0f} mm apart. Repair the headers "
            "(sform or qform), or align the images rigidly first."
        )
    sizes = " and ".join(_size(volume) for volume in (fixed, moving))
    parts = (shared.moving, shared.fixed)
    # The image that covers little of the other.
    small, large = names if shared.moving < shared.fixed else names[::-1]
    if shared.voxels < _LEAST_SIDE**fixed.ndim:
        raise GeometryError(
            f"{names[0]} and {names[1]} share {shared.voxels:.2g} voxels{when}, too "
            f"few to compare: {small} covers {100 * min(parts):.2g} % of {large}. "
            f"Their sizes are {sizes}{when}; correct the spacing or the unit of length "
            "in the headers."
        )
    if min(parts) < _SMALL_PART:
        return (
            f"{small} covers only {100 * min(parts):.2g} % of the field of view of "
            f"{large} (their sizes are {sizes}); elsewhere nothing is compared.",
        )
    if shared.smaller < _FEW_SHARED:
        return (
            f"{names[0]} and {names[1]} share only {100 * shared.smaller:.2g} % of the "
            "smaller field of view; elsewhere nothing is compared.",
        )
    return ()


def _names(fixed: Volume, moving: Volume) -> tuple[Path | str, Path | str]:
    return fixed.path or "the fixed image", moving.path or "the moving image"


def _size(volume: Volume) -> str:
    sides = np.multiply(volume.shape, volume.spacing)
    return " × ".join(f"{side:.3g}" for side in sides) + " mm"


def _normal(plane: Volume) -> int:
    """World axis nearest to the normal of a slice."""
    across = np.cross(plane.affine[:3, 0], plane.affine[:3, 1])
    return int(np.argmax(np.abs(across)))
