"""A volume in memory: an array of voxels and where it stands in the world."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Num

__all__ = ["Volume", "grid_distance"]


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels of an image or a label map and their place in the world.

    Attributes:
        array: `(x, y, z)`, or `(x, y)` for a 2-D image, which is a NIfTI volume of one
            plane. Images are float32, label maps int32.
        affine: Voxel indices to world millimetres, RAS+, `(4, 4)` float64. A 2-D image
            has one too: it says in which plane it lies.
        path: The file it was read from, for messages.

    Examples:
        >>> volume = Volume(np.zeros((4, 5), np.float32), np.diag([2.0, 3, 1, 1]))
        >>> volume.shape, volume.spacing
        ((4, 5), (2.0, 3.0))
    """

    array: Num[np.ndarray, "..."]
    affine: Num[np.ndarray, "4 4"]
    path: Path | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels on each axis."""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return self.array.ndim

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance of neighbouring voxels on each axis of the array, millimetres."""
        lengths = np.linalg.norm(self.affine[:3, : self.ndim], axis=0)
        return tuple(float(length) for length in lengths)


def grid_distance(one: Volume, other: Volume) -> float:
    """How far two grids of the same shape lie apart, in voxels.

    Args:
        one: A volume; its voxel is the unit.
        other: A volume of the same shape.

    Returns:
        Largest distance between corresponding corners, in voxels of `one`.

    Raises:
        ValueError: If the shapes differ.

    Examples:
        >>> at_zero = Volume(np.zeros((4, 4, 4)), np.diag([2.0, 2, 2, 1]))
        >>> grid_distance(at_zero, at_zero)
        0.0
    """
    if one.shape != other.shape:
        raise ValueError(f"shapes differ: {one.shape} and {other.shape}.")
    shape = one.shape + (1,) * (3 - one.ndim)
    corners = np.stack(np.meshgrid(*[(0, size - 1) for size in shape]), -1)
    offsets = corners @ (one.affine - other.affine)[:3, :3].T
    offsets = offsets + (one.affine - other.affine)[:3, 3]
    return float(np.linalg.norm(offsets, axis=-1).max() / min(one.spacing))
