"""Whether two images can show the same place."""

from pathlib import Path

import numpy as np

from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry._height import check_height
from autoreg_jax.geometry._volume import Volume


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


def check_field_of_view(fixed: Volume, moving: Volume) -> None:
    """Make sure that two images that pass `check_axes` overlap.

    Args:
        fixed: The fixed image.
        moving: The moving image.

    Raises:
        GeometryError: If the fields of view do not overlap in the world.
    """
    fixed_name, moving_name = _names(fixed, moving)
    if _misses(fixed, moving) or _misses(moving, fixed):
        distance = np.linalg.norm(fixed.grid.centre - moving.grid.centre)
        raise GeometryError(
            f"{fixed_name} and {moving_name} do not overlap in the world: their "
            f"centres are {distance:.0f} mm apart. Repair the headers (sform or qform) "
            "or align the images rigidly first."
        )


def _names(fixed: Volume, moving: Volume) -> tuple[Path | str, Path | str]:
    return fixed.path or "the fixed image", moving.path or "the moving image"


def _misses(one: Volume, other: Volume) -> bool:
    """Whether the box of one image lies beside that of the other, along its axes."""
    ends = np.meshgrid(*[(-0.5, size - 0.5) for size in one.shape], indexing="ij")
    corners = one.grid.to_world(np.stack(ends, -1))
    index = other.grid.to_voxels(corners).reshape(-1, other.ndim)
    beyond = index.min(0) >= np.asarray(other.shape) - 0.5
    return bool(np.any((index.max(0) <= -0.5) | beyond))


def _normal(plane: Volume) -> int:
    """World axis nearest to the normal of a slice."""
    across = np.cross(plane.affine[:3, 0], plane.affine[:3, 1])
    return int(np.argmax(np.abs(across)))
